import type { Page } from "@playwright/test";

import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { expectVerdict, signIn, simulate } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";
import { untilAwake } from "../fixtures/shopper";

// A shop simulates one sale at a time.
test.use({ ownShop: true });

test.beforeEach(({ page, adminPassword }) => signIn(page.request, adminPassword));

/** Twelve buyers who each stand half a second at the row: six seconds of a line. */
const LONG_LINE = { Buyers: "12", Stock: "6", "Race window (ms)": "500" };
const LONG_VERDICT = { sold: 6, rejected: 6, remaining: 0, oversold: 0, undersold: 0 };

const queue = (page: Page) => page.getByRole("region", { name: "The line at the lock" });
const waterfall = (page: Page) =>
  page.getByRole("figure", { name: "The first buyers, moment by moment" });
const holder = (page: Page) => queue(page).getByTestId("lock-holder");
const waiters = (page: Page) => queue(page).getByTestId("lock-waiter");

/** How many waited at the busiest moment: not all twelve may have come before the first went. */
async function waited(page: Page): Promise<number> {
  const sentence = queue(page).getByTestId("locks-sentence");
  await expect(sentence).toHaveText(/^\d+ waited\./);
  return parseInt((await sentence.textContent()) ?? "", 10);
}

test("while buyers stand at the row, the page shows who holds it and who waits for whom", async ({
  page,
}) => {
  await simulate(page, LONG_LINE);
  await untilAwake(page);
  await expect(queue(page)).toContainText("Now");
  await expect(holder(page)).toHaveCount(1);
  await expect(holder(page)).toContainText(/Session \d+/);
  await expect(holder(page)).toContainText("Holds the lock");
  await expect(waiters(page).first()).toContainText(/transaction \d+ for \d+/);
  await expect(waiters(page).nth(1)).toContainText(/row \(\d+,\d+\) of stock for \d+/);
  await expect(queue(page).getByText("All of them stand at")).toContainText("FOR UPDATE");
  // The first in line waits for the holder.
  const pid = /Session (\d+)/.exec((await holder(page).textContent()) ?? "")?.[1];
  expect(pid).toBeDefined();
  await expect(page.getByTestId("run-state")).toHaveText("Running");
  await expectAccessible(page);

  // It moves on by itself: somebody else holds the row in a moment.
  await expect(holder(page)).not.toContainText(`Session ${pid}`);
  await expectVerdict(page, LONG_VERDICT);
  await expect(queue(page)).toContainText("This lane has ended: its busiest moment");
  expect(await waited(page)).toBeGreaterThan(1);
});

test("the busiest moment and the waterfall are there when the run is opened again", async ({
  page,
}) => {
  await simulate(page, LONG_LINE);
  await expectVerdict(page, LONG_VERDICT);
  await page.reload();
  await untilAwake(page);
  await expect(queue(page)).toContainText("This lane has ended: its busiest moment");
  const inLine = await waited(page);
  expect(inLine).toBeGreaterThan(1);
  await expect(waiters(page)).toHaveCount(inLine);
  await expect(
    waterfall(page).getByRole("img", { name: /^What the first buyers waited for, one row each/ }),
  ).toHaveAccessibleName(/12 attempts\. On average: waiting for a connection \d/);
  await expect(waterfall(page).locator("path.mark--sold")).toHaveCount(7); // One is the legend's.
  await expect(waterfall(page).locator("path.mark--rejected")).toHaveCount(7);

  // The same in words.
  await waterfall(page).getByText("The same as a table").click();
  const attempts = waterfall(page).getByRole("table", { name: "First attempts" });
  await expect(attempts.getByRole("row")).toHaveCount(13);
  await queue(page).getByText("The same as a table").click();
  const sessions = queue(page).getByRole("table", { name: "Sessions at the lock" });
  await expect(sessions.getByRole("row")).toHaveCount(inLine + 2);
  const first = sessions.getByRole("row").nth(1);
  const second = sessions.getByRole("row").nth(2);
  await expect(first.getByRole("cell").first()).toHaveText("holds");
  const held = await first.getByRole("rowheader").textContent();
  await expect(second.getByRole("cell").nth(4)).toHaveText(held ?? "");
  await expectAccessible(page);
  for (const [width, height] of [
    [390, 844],
    [1920, 1080],
  ] as const) {
    await page.setViewportSize({ width, height });
    await expectNoSidewaysScroll(page);
  }
});

test("lanes have a line each, and one where nobody waits says so", async ({ page }) => {
  await simulate(
    page,
    { Buyers: "6", Stock: "3", "Race window (ms)": "400" },
    { strategies: ["row-lock", "micro-batch"] },
  );
  await expect(page.getByTestId("run-state")).toHaveText("Finished", { timeout: 30_000 });
  const rows = page.getByRole("region", { name: "The line at the lock: row-lock" });
  await expect(rows.getByTestId("lock-holder")).toHaveCount(1);
  const batch = page.getByRole("region", { name: "The line at the lock: micro-batch" });
  await expect(batch).toContainText("stands in");
  const first = "The first buyers, moment by moment: micro-batch";
  await page.locator("summary").filter({ hasText: first }).click();
  await expect(page.getByRole("figure", { name: first })).toContainText(
    "only the length of each part is known",
  );
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
});
