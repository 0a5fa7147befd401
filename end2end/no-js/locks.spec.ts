import { expectAccessible } from "../fixtures/accessibility";
import { expectFinishedRun, expectVerdict, signIn, simulate } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";

// A shop simulates one sale at a time.
test.use({ ownShop: true });

test("without JavaScript, the server draws the lock queue during and after the run", async ({
  page,
  adminPassword,
}) => {
  await signIn(page.request, adminPassword);
  await simulate(page, { Buyers: "12", Stock: "6", "Race window (ms)": "500" });
  const queue = page.getByRole("region", { name: "Lock queue" });
  // The page reloads itself every two seconds.
  await expect(queue.getByTestId("lock-waiter").first()).toContainText(/Session \d+/);
  await expect(queue).toContainText("Now");
  await expectVerdict(page, { sold: 6, rejected: 6, remaining: 0, oversold: 0, undersold: 0 });
  await expect(queue).toContainText("Lane ended: longest queue");
  const waiters = await queue.getByTestId("lock-waiter").count();
  expect(waiters).toBeGreaterThan(1);
  await expect(queue.getByTestId("locks-sentence")).toContainText(`${waiters} sessions waited.`);
  await queue.getByText("Show as table").click();
  await expect(queue.getByRole("row")).toHaveCount(waiters + 2);
  await expect(
    page.getByRole("img", { name: /^Time spent by the first buyers, one row each/ }),
  ).toBeVisible();
  await expectAccessible(page);
});

test("without JavaScript, the tables of a run with several lanes have pages of their own", async ({
  page,
  adminPassword,
}) => {
  await signIn(page.request, adminPassword);
  await simulate(
    page,
    { Buyers: "6", Stock: "3", "Race window (ms)": "100" },
    { strategies: ["row-lock", "conditional-update"] },
  );
  await expectFinishedRun(page);
  const run = page.url();
  await page.getByText("Table of samples").click();
  await page.getByRole("link", { name: "Samples as tables" }).click();
  await expect(page.getByRole("table", { name: "Samples of this run, row-lock" })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("link", { name: "Back to the run" }).click();
  await expect(page).toHaveURL(run);
  await page.getByText("Timeline of the first buyers: row-lock").click();
  await page.getByRole("link", { name: "Lock queues and timelines of all lanes" }).first().click();
  const attempts = page.getByRole("table", { name: "First attempts: conditional-update" });
  await expect(attempts.getByRole("row")).toHaveCount(7);
  await expectAccessible(page);
});
