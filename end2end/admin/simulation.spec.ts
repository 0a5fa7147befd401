import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import {
  RUN_ADDRESS,
  chart,
  expectFinishedRun,
  chooseStrategies,
  expectVerdict,
  fillInPlan,
  stockLineHeight,
  laneRow,
  laneVerdict,
  signInToSharedSession,
  simulate,
  simulateArrivals,
  simulateButton,
  strategyBox,
} from "../fixtures/administrator";
import { SMARTPHONE, TABLET } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import { stockOf, waitForIslands } from "../fixtures/shopper";

// A shop simulates one sale at a time.
test.use({ ownShop: true });

test.beforeEach(({ page, adminPassword }) => signInToSharedSession(page, adminPassword));

test("33 buyers for 20 units: the chart reaches 0, and the verdict is 20 sold, 13 rejected, none oversold", async ({
  page,
}) => {
  await page.goto("/admin/simulations");
  await expect(page.getByLabel("Buyers")).toHaveValue("33");
  await expect(page.getByLabel("Stock")).toHaveValue("20");
  await expect(strategyBox(page, "row-lock")).toBeChecked();
  await simulateButton(page).click();
  await expect(page).toHaveURL(RUN_ADDRESS);
  await waitForIslands(page);
  const verdict = { sold: 20, rejected: 13, remaining: 0, oversold: 0, undersold: 0 };
  await expectVerdict(page, verdict);
  await expect(
    page.getByRole("heading", { name: "Sold out, nothing oversold" }),
  ).toBeVisible();
  await expect(chart(page)).toHaveAccessibleName(
    / 0 of 20 units remain, 20 purchases succeeded, 13 were rejected or failed\.$/,
  );
  expect(await stockLineHeight(page)).toBe(0);
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
  await page.setViewportSize({ width: 1280, height: 800 });

  // The run is stored: it is listed, and opens with the same verdict.
  const address = page.url();
  await page.getByRole("link", { name: "All runs" }).click();
  const runs = page.getByRole("table", { name: "Recent runs" }).getByRole("row");
  const latest = runs.nth(1);
  await expect(latest.getByRole("rowheader")).toHaveText("33 buyers, 20 units · row-lock");
  await expect(latest.getByRole("cell")).toHaveText([
    /UTC$/,
    "Oversold 0",
    "row-lock",
    "20",
    "33",
    "20",
    "13",
    /^[1-9]\d*$/,
  ]);
  await latest.getByRole("link").click();
  await expect(page).toHaveURL(address);
  await expectVerdict(page, verdict);
  expect(await stockLineHeight(page)).toBe(0);
});

test("a page reloaded during a run continues with the current state", async ({
  page,
  context,
}) => {
  await simulateArrivals(page, { buyers: 150, stock: 100, perSecond: 30 });
  const state = page.getByTestId("run-state");
  await expect(state).toHaveText("Running");
  const sold = async () => Number(await page.getByTestId("sold").textContent());
  await expect.poll(sold, { intervals: [50] }).toBeGreaterThan(10);
  await expect(page.getByTestId("undersold")).toContainText("not known yet");

  const soldBefore = await sold();
  await page.reload({ waitUntil: "commit" });
  await expect(state).toHaveText("Running");
  expect(await sold()).toBeGreaterThanOrEqual(soldBefore);
  expect(await stockLineHeight(page)).toBeGreaterThan(0);

  // No second run can start meanwhile, however long opening another page takes.
  await page.getByRole("button", { name: "Pause arrivals" }).click();
  await expect(state).toHaveText("Paused");
  const impatient = await context.newPage();
  await impatient.goto("/admin/simulations");
  await simulateButton(impatient).click();
  await expect(impatient.getByRole("alert")).toContainText(
    "Another simulation is running. Wait until it ends.",
  );
  await impatient.close();
  await page.getByRole("button", { name: "Resume" }).click();

  const remaining = async () => Number(await page.getByTestId("remaining").textContent());
  const seen = new Set<number>();
  await expect
    .poll(async () => seen.add(await remaining()).has(0), { intervals: [100], timeout: 30_000 })
    .toBe(true);
  expect(seen.size, "distinct stock levels during the sale").toBeGreaterThan(3);
  const verdict = { sold: 100, rejected: 50, remaining: 0, oversold: 0, undersold: 0 };
  await expectVerdict(page, verdict);
  expect(await stockLineHeight(page)).toBe(0);
  await page.reload();
  await expectVerdict(page, verdict);
});

test("an unguarded sale oversells, and the page shows it", async ({ page }) => {
  await simulate(
    page,
    { Buyers: "100", Stock: "10", "Race window (ms)": "5" },
    { strategies: ["unguarded"] },
  );
  await expectFinishedRun(page);
  const oversold = Number(await page.getByTestId("oversold").textContent());
  expect(oversold).toBeGreaterThan(0);
  await expect(page.getByTestId("sold")).toHaveText(`${10 + oversold}`);
  await expect(
    page.getByRole("heading", { name: `Oversold by ${oversold} unit${oversold === 1 ? "" : "s"}` }),
  ).toBeVisible();
  await expectAccessible(page);
  await page.goto("/admin");
  const run = page.getByRole("table", { name: "Recent simulation runs" }).getByRole("row").nth(1);
  await expect(run).toContainText(`Oversold ${oversold}`);
  // The run uses a private product, so the shop's own stock is intact.
  await page.getByRole("button", { name: "Check now" }).click();
  await expect(page.getByRole("region", { name: "Stock audit" })).toContainText(
    "Every unit accounted for",
  );
});

test("each of several strategies gets its own lane and verdict, in parallel or in sequence", async ({
  page,
}) => {
  for (const together of [false, true]) {
    await page.goto("/admin/simulations");
    await chooseStrategies(page, "row-lock", "unguarded");
    await page.getByText("Advanced", { exact: true }).click();
    await page.getByLabel("Connections").fill("8");
    await page.getByLabel(/at the same time/).setChecked(together);
    await fillInPlan(page, { Buyers: "100", Stock: "10", "Race window (ms)": "5" });
    await simulateButton(page).click();
    await expect(page).toHaveURL(RUN_ADDRESS);
    await expectFinishedRun(page);
    await expect(page.getByText("200 of 200 attempts finished")).toBeVisible();
    await expect(laneRow(page, "row-lock").getByText("Safe", { exact: true })).toBeVisible();
    await expect(laneRow(page, "row-lock").getByTestId("sold")).toHaveText("10");
    await expect(laneVerdict(page, "row-lock").getByTestId("lane-oversold")).toHaveText("0");
    await expect(laneRow(page, "unguarded").getByText("Unsafe", { exact: true })).toBeVisible();
    const oversold = await laneVerdict(page, "unguarded").getByTestId("lane-oversold").textContent();
    expect(Number(oversold)).toBeGreaterThan(0);
    await expect(laneRow(page, "unguarded").getByTestId("sold")).toHaveText(`${10 + Number(oversold)}`);
    await expect(page.getByTestId("oversold")).toHaveText(`${oversold}`);
    await expect(laneVerdict(page, "row-lock").getByTestId("lane-undersold")).toHaveText("0");
    await expect(chart(page)).toHaveAccessibleName(/ row-lock: .* unguarded: /);
  }
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
});

test("a simulated sale of a shop product updates a shopper’s open product page", async ({
  page,
  anotherBrowser,
}) => {
  const shopper = await anotherBrowser();
  await shopper.goto(`/products/${SMARTPHONE.slug}`);
  await waitForIslands(shopper);
  const stock = shopper.getByRole("region", { name: "Buy" }).getByRole("status");
  await expect(stock).toContainText("20 of 20 left");
  await stock.evaluate((element) => {
    const seen: string[] = [];
    new MutationObserver(() => seen.push(element.textContent)).observe(element, {
      characterData: true,
      childList: true,
      subtree: true,
    });
    Object.assign(window, { seen });
  });

  // Each buyer locks the row for the whole race window, so that twenty sales take at least two
  // seconds: enough for many of the page's ten updates per second.
  await simulate(
    page,
    { Buyers: "33", "Race window (ms)": "100" },
    { product: `${SMARTPHONE.id}`, strategies: ["row-lock"] },
  );
  await expectVerdict(page, { sold: 20, rejected: 13, remaining: 0, oversold: 0, undersold: 0 });
  await expect(stock).toHaveText(/^Sold out 20 of 20 sold in \d+ s$/);
  await expect(shopper.getByRole("button", { name: "Sold out" })).toBeDisabled();
  expect(await stockOf(page.request, SMARTPHONE)).toBe(0);
  const seen = await shopper.evaluate(() => (window as unknown as { seen: string[] }).seen);
  expect(seen.filter((text) => /\b([1-9]|1\d) of 20 left/.test(text))).not.toEqual([]);
});

test("an unsafe strategy cannot sell a shop product", async ({ page }) => {
  const before = await stockOf(page.request, TABLET);
  await page.goto("/admin/simulations");
  await page.getByLabel("Product", { exact: true }).selectOption(`${TABLET.id}`);
  await chooseStrategies(page, "unguarded");
  await simulateButton(page).click();
  await expect(page).toHaveURL("/admin/simulations");
  await expect(page.getByRole("alert")).toContainText(
    "The strategy unguarded is unsafe and can sell only from a private lane.",
  );
  await expect(page.getByLabel("Product", { exact: true })).toHaveValue(`${TABLET.id}`);
  await expect(strategyBox(page, "unguarded")).toBeChecked();
  await expect(strategyBox(page, "row-lock")).not.toBeChecked();
  expect(await stockOf(page.request, TABLET)).toBe(before);
});

test("an invalid plan shows an error for each field and keeps the input", async ({
  page,
}) => {
  const whole = "Enter a whole number.";
  for (const [typed, sentences] of [
    [
      {
        Buyers: "0",
        Stock: "1000001",
        "Attempts per buyer": "0",
        "Race window (ms)": "2001",
        Seed: "7",
      },
      {
        Buyers: "The number of buyers must be from 1 to 10000.",
        Stock: "The stock must be from 0 to 1000000 units.",
        "Attempts per buyer": "Attempts per buyer must be from 1 to 1000.",
        "Race window (ms)": "The race window must be from 0 to 2000 ms.",
      },
    ],
    [
      {
        Buyers: "-1",
        Stock: "1.5",
        "Units per attempt": "0",
        "Race window (ms)": "",
        Seed: "-7",
      },
      {
        Buyers: whole,
        Stock: whole,
        "Units per attempt": "The quantity must be a whole number from 1 to 1,000.",
        "Race window (ms)": whole,
        Seed: whole,
      },
    ],
  ] as const) {
    await page.goto("/admin/simulations");
    await page
      .getByRole("form", { name: "Simulate flash sale" })
      .evaluate((form: HTMLFormElement) => (form.noValidate = true));
    await chooseStrategies(page, "conditional-update");
    await fillInPlan(page, typed);
    await simulateButton(page).click();
    await expect(page).toHaveURL("/admin/simulations");
    await expect(page.getByRole("alert")).toContainText("Correct the marked fields.");
    for (const [label, sentence] of Object.entries(sentences)) {
      const field = page.getByLabel(label, { exact: true });
      await expect(field).toHaveAttribute("aria-invalid", "true");
      await expect(field).toHaveAccessibleDescription(new RegExp(`${sentence}$`));
    }
    for (const [label, value] of Object.entries(typed)) {
      await expect(page.getByLabel(label, { exact: true })).toHaveValue(value);
    }
    await expect(strategyBox(page, "conditional-update")).toBeChecked();
  }
  await expectAccessible(page);
});
