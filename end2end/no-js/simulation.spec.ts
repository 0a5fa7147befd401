import { expectAccessible } from "../fixtures/accessibility";
import {
  chart,
  expectVerdict,
  stockLineHeight,
  laneRow,
  laneVerdict,
  signIn,
  simulate,
  expectFinishedRun,
} from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";

// A shop simulates one sale at a time.
test.use({ ownShop: true });

test("without JavaScript, an administrator can sign in, sees a wrong password error, and can sign out", async ({
  page,
  adminPassword,
}) => {
  await page.goto("/admin/login");
  await page.getByLabel("Password").fill("open sesame");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toContainText("Wrong password.");
  await page.getByLabel("Password").fill(adminPassword);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Admin");
  await expectAccessible(page);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.goto("/admin");
  await expect(page).toHaveURL("/admin/login");
});

test("the page of a run reloads itself until the verdict is known", async ({
  page,
  adminPassword,
}) => {
  await signIn(page.request, adminPassword);
  await simulate(page, { Buyers: "30", Stock: "20", "Race window (ms)": "100" });
  await expect(page.getByTestId("run-state")).toHaveText("Running");
  await expectVerdict(page, { sold: 20, rejected: 10, remaining: 0, oversold: 0, undersold: 0 });
  await expect(chart(page)).toHaveAccessibleName(/ 0 of 20 units remain/);
  expect(await stockLineHeight(page)).toBe(0);
  await expectAccessible(page);
});

test("several strategies can be chosen and are shown without JavaScript", async ({
  page,
  adminPassword,
}) => {
  await signIn(page.request, adminPassword);
  await simulate(
    page,
    { Buyers: "30", Stock: "10" },
    { strategies: ["row-lock", "conditional-update"] },
  );
  await expectFinishedRun(page);
  for (const name of ["row-lock", "conditional-update"]) {
    const lane = laneRow(page, name);
    await expect(lane.getByText("Safe", { exact: true })).toBeVisible();
    await expect(lane.getByTestId("sold")).toHaveText("10");
    await expect(lane.getByTestId("rejected")).toHaveText("20");
    await expect(laneVerdict(page, name).getByTestId("lane-oversold")).toHaveText("0");
  }
  await expect(chart(page)).toHaveAccessibleName(/ row-lock: .* conditional-update: .* 0 of 10 units remain/);
  await expectAccessible(page);
});

test("an invalid plan shows its errors and keeps the input", async ({ page, adminPassword }) => {
  await signIn(page.request, adminPassword);
  await page.goto("/admin/simulations");
  await page
    .getByRole("form", { name: "Simulate flash sale" })
    .evaluate((form: HTMLFormElement) => (form.noValidate = true));
  await page.getByLabel("Buyers").fill("0");
  await page.getByLabel("Seed").fill("7");
  await page.getByRole("button", { name: "Simulate flash sale" }).click();
  await expect(page.getByRole("alert")).toContainText("Correct the marked fields.");
  await expect(page.getByLabel("Buyers")).toHaveAccessibleDescription(
    "The number of buyers must be from 1 to 10000.",
  );
  await expect(page.getByLabel("Buyers")).toHaveValue("0");
  await expect(page.getByLabel("Seed")).toHaveValue("7");
});

test("a run can be paused, resumed and stopped without JavaScript", async ({ page, adminPassword }) => {
  await signIn(page.request, adminPassword);
  await page.goto("/admin/simulations?arrivals=open&rate_per_s=10&buyers=9000&stock=9000");
  await page.getByRole("button", { name: "Simulate flash sale" }).click();
  const address = page.url();
  for (const [name, state] of [
    ["Pause arrivals", "Paused"],
    ["Resume", "Running"],
    ["Stop", "Stopped"],
  ] as const) {
    await page.getByRole("button", { name }).click();
    await expect(page).toHaveURL(address);
    await expect(page.getByTestId("run-state")).toHaveText(state);
  }
});
