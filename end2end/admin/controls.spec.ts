import type { Page } from "@playwright/test";

import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { RUN_ADDRESS, signInToSharedSession, simulateButton } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";
import { waitForIslands } from "../fixtures/shopper";

// A shop simulates one sale at a time.
test.use({ ownShop: true });

test.beforeEach(({ page, adminPassword }) => signInToSharedSession(page, adminPassword));

/** Ten buyers per second for 15 minutes: the run does not end before a control ends it. */
const TRICKLE = "arrivals=open&rate_per_s=10&buyers=9000&stock=9000";

async function start(page: Page, query: string): Promise<void> {
  await page.goto(`/admin/simulations?${query}`);
  await simulateButton(page).click();
  await expect(page).toHaveURL(RUN_ADDRESS);
  await waitForIslands(page);
}

const state = (page: Page) => page.getByTestId("run-state");

const finished = async (page: Page) =>
  Number(/(\d+) of \d+ attempts finished/.exec((await page.locator(".run__state").textContent()) ?? "")?.[1]);

type Press = (page: Page, name: string) => Promise<void>;

const KEYS: Record<string, string> = { "Pause arrivals": "p", Resume: "p", Stop: "s", Abort: "x" };

const byMouse: Press = (page, name) => page.getByRole("button", { name }).click();

const byKey: Press = async (page, name) => {
  await expect(page.getByRole("button", { name })).toHaveAttribute("aria-keyshortcuts", KEYS[name]!);
  await page.keyboard.press(KEYS[name]!);
};

for (const [way, press] of [
  ["by mouse", byMouse],
  ["by keyboard", byKey],
] as const) {
  test(`arrivals can be paused and resumed, and the run stopped, ${way}`, async ({ page }) => {
    await start(page, TRICKLE);
    await expect(state(page)).toHaveText("Running");
    await expect.poll(() => finished(page)).toBeGreaterThan(0);

    await press(page, "Pause arrivals");
    await expect(state(page)).toHaveText("Paused");
    // By keyboard, the pages are the same.
    if (press === byMouse) {
      await expectAccessible(page);
    }
    // The statistics survive a reload.
    const before = await finished(page);
    expect(before).toBeGreaterThan(0);
    await page.reload();
    await waitForIslands(page);
    await expect(state(page)).toHaveText("Paused");
    expect(await finished(page)).toBeGreaterThanOrEqual(before);

    await press(page, "Resume");
    await expect(state(page)).toHaveText("Running");
    const resumed = await finished(page);
    await expect.poll(() => finished(page)).toBeGreaterThan(resumed);

    await press(page, "Stop");
    await expect(state(page)).toHaveText("Stopped");
    await expect(page.getByTestId("oversold")).toHaveText("0");
    await expect(page.getByTestId("undersold")).toHaveText("0");
    await expect(page.getByRole("group", { name: "Run controls" }).getByRole("button")).toHaveCount(0);
    await page.reload();
    await expect(state(page)).toHaveText("Stopped");
    if (press === byMouse) {
      await expectAccessible(page);
    }
  });

  test(`a run can be aborted while all buyers wait, ${way}`, async ({ page }) => {
    // Each buyer locks the row for two seconds: more than a minute in total.
    await start(page, "buyers=40&stock=40&race_window_ms=2000");
    await expect(state(page)).toHaveText("Running");
    await press(page, "Abort");
    await expect(state(page)).toHaveText("Aborted", { timeout: 30_000 });
    await expect(page.getByTestId("oversold")).toHaveText("0");
    await expect(page.getByTestId("undersold")).toHaveText("0");
    await expect(page.getByRole("region", { name: "What happened" })).toContainText("interrupted");
  });
}

test("a key typed into a field triggers no shortcut", async ({ page }) => {
  await page.goto("/admin/simulations");
  await waitForIslands(page);
  await page.getByLabel("Units per attempt").press("g");
  await expect(page).toHaveURL("/admin/simulations");
  await page.getByRole("heading", { level: 1 }).click();
  await page.getByLabel("Units per attempt").fill("1");
  await page.getByLabel("Units per attempt").blur();
  await page.keyboard.press("g");
  await expect(page).toHaveURL(RUN_ADDRESS);
});

test("a command for a finished run is rejected with a readable error", async ({ page }) => {
  await start(page, "buyers=3&stock=2");
  await expect(state(page)).toHaveText("Finished");
  const id = page.url().split("/").at(-1)!;
  for (const [form, status, detail] of [
    [{ id, command: "pause" }, 409, "This simulation has ended."],
    [{ id, command: "dance" }, 422, "dance is not a run command"],
    [{ id: "no-run", command: "stop" }, 404, "This simulation run does not exist."],
    [{ command: "stop" }, 404, "This simulation run does not exist."],
  ] as const) {
    const answer = await page.request.post("/api/form/admin/control-simulation", {
      form,
      headers: { Accept: "application/json" },
    });
    expect(answer.status()).toBe(status);
    expect((await answer.json()).detail).toContain(detail);
  }
});

test("each preset fills in the form, and its address reproduces it", async ({ page }) => {
  await page.goto("/admin/simulations");
  const stories = page.getByRole("region", { name: "Start from a preset" }).getByRole("link");
  await expect(stories).toHaveText([
    "33 buyers, 20 phones",
    "Calm day",
    "Stampede",
    "Bots",
    "Slow database",
    "A buyer freezes holding the lock",
    "12.12",
    "Two servers, one mutex",
    "A lock that ends too early",
    "Stock in two places",
    "One writer node or all",
    "One statement at a time",
  ]);
  await stories.filter({ hasText: "12.12" }).click();
  await expect(page.getByLabel("Buyers")).toHaveValue("500");
  await expect(page.getByLabel("Units per attempt")).toHaveValue("1..3");
  await expect(page.getByRole("listitem").filter({ hasText: "12.12" })).toContainText(
    "Buyers arrive over 5 s.",
  );
  await expect(page.getByLabel("Time to full load (ms)")).toHaveValue("5000");
  await expect(page.getByRole("checkbox", { name: /^blind-decrement / })).toBeChecked();
  await expect(page.getByRole("checkbox", { name: /^row-lock / })).not.toBeChecked();
  await expect(stories.filter({ hasText: "12.12" })).toHaveAttribute("aria-current", "true");
  await expect(page.locator("#servers")).toHaveValue("");
  await stories.filter({ hasText: "Two servers, one mutex" }).click();
  await expect(page.locator("#servers")).toHaveValue("2");
  await expect(page.getByRole("listitem").filter({ hasText: "One writer node" })).toContainText(
    "Not available without a cluster",
  );
  await expect(page.locator("#writers")).toHaveCount(0);
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
});

test("an error is beside its field, which has the focus", async ({ page }) => {
  await page.goto("/admin/simulations");
  for (const strategy of ["optimistic", "serializable", "buckets", "advisory-lock", "early-release"]) {
    await page.getByRole("checkbox", { name: new RegExp(`^${strategy} `) }).check();
  }
  await page.getByText("Advanced", { exact: true }).click();
  await page.getByLabel(/at the same time/).check();
  await expect(page.getByLabel("Connections")).toHaveValue("");
  await page.getByLabel("Connections").fill("16");
  await page.getByRole("button", { name: "Simulate flash sale" }).click();
  const field = page.getByLabel("Connections");
  await expect(field).toBeFocused();
  await expect(field).toBeInViewport();
  await expect(field).toHaveAccessibleDescription(/at most 10 connections each, 64 in total/);
  await expectAccessible(page);
});

test("a run compares the guess, checks thresholds and can be repeated with its seed", async ({
  page,
}) => {
  await start(page, "strategies=unguarded&buyers=60&stock=10&race_window_ms=20&seed=7&guess=1000&retries_max=0&double_click=10");
  await expect(state(page)).toHaveText("Finished");
  const oversold = Number(await page.getByTestId("oversold").textContent());
  expect(oversold).toBeGreaterThan(0);
  await expect(page.getByRole("region", { name: "What happened" })).toContainText(
    `The guess was 1000 oversold; the result is ${oversold}.`,
  );
  const plan = page.getByLabel("Parameters of the run");
  await expect(plan).toContainText("double-click 10 %");
  const understanding = page.getByRole("region", { name: "Understanding unguarded", exact: true });
  await expect(understanding.locator("mark")).toContainText("UPDATE stock SET available = $1");
  await understanding.getByRole("link").click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("unguarded");
  await expect(page.getByText("src/shop/inventory/strategies/unguarded.rs")).toBeVisible();
  await expectAccessible(page);
  await page.goBack();

  const first = page.url();
  await waitForIslands(page);
  await page.keyboard.press("r");
  await expect(page).not.toHaveURL(first);
  await expect(page).toHaveURL(RUN_ADDRESS);
  await expect(state(page)).toHaveText("Finished");
  await expect(plan).toContainText("Seed7");
  await expect(plan).toContainText("double-click 10 %");

  await page.getByRole("link", { name: "Change and run" }).click();
  await expect(page.getByLabel("Seed")).toHaveValue("7");
  await expect(page.getByLabel("Maximum retries")).toHaveValue("0");
  await expect(page.getByLabel("Double click")).toHaveValue("10");
  await expect(page.getByLabel("Your guess: units oversold")).toHaveValue("1000");
});
