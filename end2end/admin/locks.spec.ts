import type { Page } from "@playwright/test";

import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import {
  expectFinishedRun,
  expectVerdict,
  signInToSharedSession,
  simulate,
} from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";
import { waitForIslands } from "../fixtures/shopper";

// A shop simulates one sale at a time.
test.use({ ownShop: true });

test.beforeEach(({ page, adminPassword }) => signInToSharedSession(page, adminPassword));

/** Twelve buyers who each lock the row for half a second: the queue lasts six seconds. */
const LONG_QUEUE = { Buyers: "12", Stock: "6", "Race window (ms)": "500" };
const LONG_VERDICT = { sold: 6, rejected: 6, remaining: 0, oversold: 0, undersold: 0 };

const queue = (page: Page) => page.getByRole("region", { name: "Lock queue" });
const waterfall = (page: Page) =>
  page.getByRole("figure", { name: "Timeline of the first buyers" });
const holder = (page: Page) => queue(page).getByTestId("lock-holder");
const waiters = (page: Page) => queue(page).getByTestId("lock-waiter");

/**
 * Returns the length of the longest queue: not all twelve may have arrived before the first left.
 */
async function longestQueue(page: Page): Promise<number> {
  const sentence = queue(page).getByTestId("locks-sentence");
  await expect(sentence).toHaveText(/^\d+ sessions waited\./);
  return parseInt((await sentence.textContent()) ?? "", 10);
}

test("during a run, the page shows which session holds the row and which sessions wait", async ({
  page,
}) => {
  await simulate(page, LONG_QUEUE);
  await waitForIslands(page);
  await expect(queue(page)).toContainText("Now");
  await expect(holder(page)).toHaveCount(1);
  await expect(holder(page)).toContainText(/Session \d+/);
  await expect(holder(page)).toContainText("Holds the lock");
  await expect(waiters(page).first()).toContainText(/transaction \d+ for \d+/);
  await expect(waiters(page).nth(1)).toContainText(/row \(\d+,\d+\) of stock for \d+/);
  await expect(queue(page).getByText("All wait at")).toContainText("FOR UPDATE");
  // The first session in the queue waits for the holder.
  const pid = /Session (\d+)/.exec((await holder(page).textContent()) ?? "")?.[1];
  expect(pid).toBeDefined();
  await expect(page.getByTestId("run-state")).toHaveText("Running");
  await expectAccessible(page);

  // The page updates itself: another session holds the row soon.
  await expect(holder(page)).not.toContainText(`Session ${pid}`);
  await expectVerdict(page, LONG_VERDICT);
  await expect(queue(page)).toContainText("Lane ended: longest queue");
  expect(await longestQueue(page)).toBeGreaterThan(1);
});

test("a reopened run shows the longest queue and the waterfall", async ({
  page,
}) => {
  // No page watches the run, so that a queue of two seconds is long enough.
  await simulate(page, { ...LONG_QUEUE, "Race window (ms)": "200" });
  await expectVerdict(page, LONG_VERDICT);
  await page.reload();
  await waitForIslands(page);
  await expect(queue(page)).toContainText("Lane ended: longest queue");
  const queued = await longestQueue(page);
  expect(queued).toBeGreaterThan(1);
  await expect(waiters(page)).toHaveCount(queued);
  await expect(
    waterfall(page).getByRole("img", { name: /^Time spent by the first buyers, one row each/ }),
  ).toHaveAccessibleName(/12 attempts\. On average: waiting for a connection \d/);
  await expect(waterfall(page).locator("path.mark--sold")).toHaveCount(7); // One belongs to the legend.
  await expect(waterfall(page).locator("path.mark--rejected")).toHaveCount(7);

  // The same data as tables.
  await waterfall(page).getByText("Show as table").click();
  const attempts = waterfall(page).getByRole("table", { name: "First attempts" });
  await expect(attempts.getByRole("row")).toHaveCount(13);
  await queue(page).getByText("Show as table").click();
  const sessions = queue(page).getByRole("table", { name: "Sessions in the lock queue" });
  await expect(sessions.getByRole("row")).toHaveCount(queued + 2);
  const first = sessions.getByRole("row").nth(1);
  const second = sessions.getByRole("row").nth(2);
  await expect(first.getByRole("cell").first()).toHaveText("holder");
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

test("each lane has its own queue, and an in-memory queue is described", async ({ page }) => {
  await simulate(
    page,
    { Buyers: "6", Stock: "3", "Race window (ms)": "200" },
    { strategies: ["row-lock", "micro-batch"] },
  );
  await expectFinishedRun(page);
  const rows = page.getByRole("region", { name: "Lock queue: row-lock" });
  await expect(rows.getByTestId("lock-holder")).toHaveCount(1);
  const batch = page.getByRole("region", { name: "Lock queue: micro-batch" });
  await expect(batch).toContainText("queues buyers in");
  const first = "Timeline of the first buyers: micro-batch";
  await page.locator("summary").filter({ hasText: first }).click();
  await expect(page.getByRole("figure", { name: first })).toContainText(
    "only the length of each part is known",
  );
  // The page of several lanes begins with a part of the locks; its stream sends the rest.
  await page.reload();
  await waitForIslands(page);
  await page.locator("summary").filter({ hasText: first }).click();
  await expect(page.getByRole("figure", { name: first })).toContainText(
    "only the length of each part is known",
  );
  await rows.getByText("Show as table").click();
  await expect(
    page.getByRole("table", { name: "Sessions in the lock queue: row-lock" }).getByRole("row"),
  ).not.toHaveCount(1);
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
});
