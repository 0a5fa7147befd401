import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { expectCleanAudit, signInToSharedSession } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";
import {
  SESSION_ADDRESS,
  expectFinished,
  expectSteps,
  expectWaits,
  happened,
  openInteractiveStory,
  press,
  state,
  type,
} from "../fixtures/stepper";
import { waitForIslands } from "../fixtures/shopper";

// A server allows six sessions at a time.
test.use({ ownShop: true });

test.beforeEach(({ page, adminPassword }) => signInToSharedSession(page, adminPassword));

test.afterEach(async ({ page }) => {
  const end = page.getByRole("button", { name: "End and roll back" });
  if (await end.isVisible()) {
    await end.click();
    await expect(page.getByTestId("session-status")).toHaveText("Rolled back");
  }
});

test("the lost update: both buyers read 1 and buy it, but the row counts one sale", async ({
  page,
}) => {
  await openInteractiveStory(page, "The lost update");
  await press(page, "aaabbb");
  for (const letter of ["A", "B"]) {
    await expect(page.getByRole("region", { name: `Buyer ${letter}` })).toContainText(
      "available 1 · reserved 0 · sold 0",
    );
  }
  await press(page, "a");
  const row = page.getByTestId("row-0");
  await expect(row.getByRole("columnheader", { name: "inside Buyer A" })).toBeVisible();
  await expect(row.getByRole("row", { name: /^Available/ }).getByRole("cell")).toHaveText([
    "1",
    "0",
  ]);
  await press(page, "b");
  await expectWaits(page, "b", "Buyer A");
  await press(page, "aaaabbbb");
  await expectFinished(page, 2, 1, { a: "Succeeded", b: "Succeeded" });
  await expect(happened(page)).toContainText("an update was lost");
});

test("negative stock: the stock ends below zero", async ({ page }) => {
  await openInteractiveStory(page, "Negative stock");
  await type(page, "aaabbbaaaaabbbbb");
  await expectFinished(page, 2, 1, { a: "Succeeded", b: "Succeeded" });
  await expect(
    page.getByTestId("row-0").getByRole("row", { name: /^Available/ }),
  ).toContainText("-1");
});

test("FOR UPDATE makes the second buyer wait, then rejects it under the lock", async ({ page }) => {
  await openInteractiveStory(page, "FOR UPDATE makes the second wait");
  await press(page, "aaabbb");
  await expectWaits(page, "b", "Buyer A");
  await expect(page.getByTestId("row-0")).toContainText("Locked by Buyer A");
  await expect(page.getByRole("table", { name: "Locks", exact: true })).toContainText(
    "the end of Buyer A’s transaction",
  );
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
  await page.setViewportSize({ width: 1280, height: 800 });
  await press(page, "aaaaa");
  await expect(state(page, "b")).toContainText("ROLLBACK");
  await press(page, "b");
  await expectFinished(page, 1, 0, { a: "Succeeded", b: "Rejected" });
  await expectAccessible(page);
});

test("the conditional update waits, then affects no row", async ({ page }) => {
  await openInteractiveStory(page, "The update that affects no row");
  await type(page, "aaabbb");
  await expectWaits(page, "b", "Buyer A");
  await type(page, "aaaa");
  await expect(page.getByRole("region", { name: "Buyer B" })).toContainText("0 rows");
  await type(page, "bb");
  await expectFinished(page, 1, 0, { a: "Succeeded", b: "Rejected" });
  await expect(happened(page)).toContainText("The update of Buyer B affected no row.");
});

test("a version conflict is rolled back and retried", async ({ page }) => {
  await openInteractiveStory(page, "A version conflict, and its retry");
  await type(page, "aaabbbaaaaab");
  await expect(state(page, "b")).toContainText("ROLLBACK");
  await type(page, "bbbbbbbbb");
  await expectFinished(page, 2, 0, { a: "Succeeded", b: "Succeeded" });
  await expect(happened(page)).toContainText("Buyer B took 2 attempts.");
});

test("a serializable transaction is aborted with 40001 and retried", async ({ page }) => {
  await openInteractiveStory(page, "Serializable: aborted with 40001");
  await type(page, "aaabbbaaaaab");
  await expect(page.getByRole("region", { name: "Buyer B" })).toContainText(
    "40001 could not serialize access",
  );
  await type(page, "bbbbbbbbb");
  await expectFinished(page, 2, 0, { a: "Succeeded", b: "Succeeded" });
});

test("two carts deadlock, and the page names the victim", async ({ page }) => {
  await openInteractiveStory(page, "Deadlock between two carts");
  await type(page, "aaabbba");
  await expectWaits(page, "a", "Cart B");
  await type(page, "b");
  await expect(page.getByRole("region", { name: "Cart B" })).toContainText("40P01 deadlock detected");
  await expect(happened(page)).toContainText(
    "The database aborted the transaction of Cart B with 40P01",
  );
  await type(page, "baaaaabbbbbbbbb");
  await expectFinished(page, 4, 0, { a: "Succeeded", b: "Succeeded" });
});

test("with one lock order, one cart waits and both succeed", async ({ page }) => {
  await openInteractiveStory(page, "The fix: one lock order");
  await type(page, "aabb");
  await expectWaits(page, "b", "Cart A");
  await type(page, "aaaaaabbbbbb");
  await expectFinished(page, 4, 0, { a: "Succeeded", b: "Succeeded" });
  await expect(happened(page)).not.toContainText("The database aborted");
});

test("a late payment waits, finds no stock, and is refunded", async ({ page }) => {
  await openInteractiveStory(page, "An expired hold against a late payment");
  await type(page, "ccccccccbbbaaaaaaaa");
  await expectWaits(page, "a", "Buyer B");
  await type(page, "bbbbbaaaaa");
  await expectFinished(page, 1, 0, { a: "Rejected", b: "Succeeded", c: "Succeeded" });
  await expect(state(page, "a")).toContainText("so the payment is refunded");
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
  await expectAccessible(page);
  await page.setViewportSize({ width: 1280, height: 800 });
  await expectCleanAudit(page);
});

test("a session can be kept open for a discussion, and says what that costs", async ({ page }) => {
  await openInteractiveStory(page, "FOR UPDATE makes the second wait");
  await press(page, "a");
  await page.getByText("Keep open", { exact: true }).click();
  await expect(page.getByText(/uses 4 database connections/)).toBeVisible();
  await page.getByRole("button", { name: "10 min" }).click();
  await expect(page.getByTestId("kept-open")).toHaveText(
    /^Kept open until \d\d:\d\d:\d\d UTC, with or without a step\.$/,
  );
  await expectSteps(page, 1);
  await expectAccessible(page);
  await page.keyboard.press("Backspace");
  await expectSteps(page, 0);
  await expect(page.getByTestId("kept-open"), "also after going back").toBeVisible();
  await page.getByRole("button", { name: "End it as usual" }).click();
  await expect(page.getByTestId("kept-open")).toHaveCount(0);
});

test("the page compares a guess with the outcome", async ({ page }) => {
  await page.goto("/admin/stepper?story=lost-update&steps=aaabbbaaaaabbbbb");
  await expect(page.getByTestId("link-steps")).toHaveText(
    "Buyer A 3 times, then Buyer B 3 times, then Buyer A 5 times, then Buyer B 5 times.",
  );
  await expectAccessible(page);
  await page.getByLabel("Sold", { exact: true }).fill("1");
  await page.getByLabel("Oversold").fill("0");
  await page.getByRole("button", { name: "Replay the 16 steps" }).click();
  await expectFinished(page, 2, 1, { a: "Succeeded", b: "Succeeded" });
  await expect(page.getByTestId("guess")).toHaveText(
    "You guessed 1 sold and 0 oversold; it was 2 and 1.",
  );
});

test("the keyboard alone can step, go back, play, pause and list the keys", async ({ page }) => {
  await openInteractiveStory(page, "FOR UPDATE makes the second wait");
  await page.locator("main").focus();
  await type(page, "aaabbb");
  await expectWaits(page, "b", "Buyer A");
  await expect(page.getByTestId("announcement")).toContainText("Step 6, Buyer B");
  await expect(page.getByTestId("announcement")).toContainText("waits for Buyer A");
  const before = page.url();
  await page.keyboard.press("Backspace");
  await expectSteps(page, 5);
  await expect(page).not.toHaveURL(before);
  await expect(page).toHaveURL(SESSION_ADDRESS);
  await expect(state(page, "b")).toContainText("Next statement");
  await page.keyboard.press("ArrowLeft");
  await expectSteps(page, 4);

  await page.keyboard.press("?");
  await expect(page.getByText("play, pause")).toBeVisible();

  await page.getByLabel("Speed").selectOption("500");
  await page.locator("main").focus();
  await page.keyboard.press(" ");
  await expect(page.getByRole("button", { name: "Pause" })).toBeVisible();
  await expectFinished(page, 1, 0, { a: "Succeeded", b: "Rejected" });
  await expect(page.getByRole("button", { name: "Play", exact: true })).toBeDisabled();
  // A reload shows the same result.
  await page.reload();
  await expectFinished(page, 1, 0, { a: "Succeeded", b: "Rejected" });
});

test("a second page follows the first, and a link reproduces the session", async ({
  page,
  context,
}) => {
  await openInteractiveStory(page, "FOR UPDATE makes the second wait");
  const projector = await context.newPage();
  await projector.goto(page.url());
  await waitForIslands(projector);
  await press(page, "aaabbb");
  await expectWaits(projector, "b", "Buyer A");
  await expectSteps(projector, 6);

  const link = await page.getByTestId("share").getAttribute("href");
  expect(link).toBe("/admin/stepper?story=row-lock&steps=aaabbb");
  await projector.goto(link!);
  await projector.getByRole("button", { name: "Replay the 6 steps" }).click();
  await expectWaits(projector, "b", "Buyer A");
  await projector.getByRole("button", { name: "End and roll back" }).click();
  await expect(projector.getByTestId("session-status")).toHaveText("Rolled back");
  await projector.close();
});

test("a custom story runs three buyers with different strategies and isolation levels", async ({ page }) => {
  await page.goto("/admin/stepper");
  await expectAccessible(page);
  await page.getByLabel("Units in stock").fill("2");
  const seat = (name: string) => page.getByRole("group", { name });
  await seat("Buyer A").getByLabel("Strategy").selectOption("row-lock");
  await seat("Buyer B").getByLabel("Strategy").selectOption("unguarded");
  await seat("Buyer B").getByLabel("Isolation level").selectOption("repeatable-read");
  await seat("Buyer C").getByLabel("Strategy").selectOption("process-mutex");
  await page.getByRole("button", { name: "Start session" }).click();
  await expect(page).toHaveURL(SESSION_ADDRESS);
  await waitForIslands(page);
  await expect(page.getByRole("region", { name: "Buyer B" })).toContainText(
    "unguarded · REPEATABLE READ",
  );
  await expect(page.getByRole("region", { name: "Buyer C" })).toContainText(
    "Its lock is in a server’s memory.",
  );
  await press(page, "abc");
  await expect(page.getByTestId("share")).toHaveAttribute(
    "href",
    "/admin/stepper?story=own&stock=2&seats=row-lock,unguarded:1:repeatable-read,process-mutex&steps=abc",
  );
});
