import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { expectCleanAudit, signIn } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";
import {
  SESSION_ADDRESS,
  expectOver,
  expectSteps,
  expectWaits,
  happened,
  openStoryAwake,
  press,
  state,
  type,
} from "../fixtures/stepper";
import { untilAwake } from "../fixtures/shopper";

// A server has six places for sessions.
test.use({ ownShop: true });

test.beforeEach(({ page, adminPassword }) => signIn(page.request, adminPassword));

test.afterEach(async ({ page }) => {
  const end = page.getByRole("button", { name: "End and roll back" });
  if (await end.isVisible()) {
    await end.click();
    await expect(page.getByTestId("standing")).toHaveText("Rolled back");
  }
});

test("the lost update: both read 1, both are sold it, and the row knows of one", async ({
  page,
}) => {
  await openStoryAwake(page, "The lost update");
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
  await expectOver(page, 2, 1, { a: "yes", b: "yes" });
  await expect(happened(page)).toContainText("an update was lost");
});

test("negative stock: the shelf ends below zero", async ({ page }) => {
  await openStoryAwake(page, "Negative stock");
  await type(page, "aaabbbaaaaabbbbb");
  await expectOver(page, 2, 1, { a: "yes", b: "yes" });
  await expect(
    page.getByTestId("row-0").getByRole("row", { name: /^Available/ }),
  ).toContainText("-1");
});

test("FOR UPDATE makes the second wait, and refuses it under the lock", async ({ page }) => {
  await openStoryAwake(page, "FOR UPDATE makes the second wait");
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
  await expectOver(page, 1, 0, { a: "yes", b: "no" });
  await expectAccessible(page);
});

test("the conditional update waits, and then affects no row", async ({ page }) => {
  await openStoryAwake(page, "The update that affects no row");
  await type(page, "aaabbb");
  await expectWaits(page, "b", "Buyer A");
  await type(page, "aaaa");
  await expect(page.getByRole("region", { name: "Buyer B" })).toContainText("no row");
  await type(page, "bb");
  await expectOver(page, 1, 0, { a: "yes", b: "no" });
  await expect(happened(page)).toContainText("The update of Buyer B affected no row.");
});

test("a version conflict is rolled back and begun anew", async ({ page }) => {
  await openStoryAwake(page, "A version conflict, and its retry");
  await type(page, "aaabbbaaaaab");
  await expect(state(page, "b")).toContainText("ROLLBACK");
  await type(page, "bbbbbbbbb");
  await expectOver(page, 2, 0, { a: "yes", b: "yes" });
  await expect(happened(page)).toContainText("Buyer B took 2 attempts.");
});

test("serializable is aborted with 40001, and begun anew", async ({ page }) => {
  await openStoryAwake(page, "Serializable: aborted with 40001");
  await type(page, "aaabbbaaaaab");
  await expect(page.getByRole("region", { name: "Buyer B" })).toContainText(
    "40001 could not serialize access",
  );
  await type(page, "bbbbbbbbb");
  await expectOver(page, 2, 0, { a: "yes", b: "yes" });
});

test("two carts lock each other out, and the page names the victim", async ({ page }) => {
  await openStoryAwake(page, "Deadlock between two carts");
  await type(page, "aaabbba");
  await expectWaits(page, "a", "Cart B");
  await type(page, "b");
  await expect(page.getByRole("region", { name: "Cart B" })).toContainText("40P01 deadlock detected");
  await expect(happened(page)).toContainText(
    "The database ended the transaction of Cart B with 40P01",
  );
  await type(page, "baaaaabbbbbbbbb");
  await expectOver(page, 4, 0, { a: "yes", b: "yes" });
});

test("in one order, one cart waits and both go through", async ({ page }) => {
  await openStoryAwake(page, "Its cure: one order for all");
  await type(page, "aabb");
  await expectWaits(page, "b", "Cart A");
  await type(page, "aaaaaabbbbbb");
  await expectOver(page, 4, 0, { a: "yes", b: "yes" });
  await expect(happened(page)).not.toContainText("The database ended");
});

test("a payment that comes late waits, finds nothing, and is given back", async ({ page }) => {
  await openStoryAwake(page, "An expired hold against a late payment");
  await type(page, "ccccccccbbbaaaaaaaa");
  await expectWaits(page, "a", "Buyer B");
  await type(page, "bbbbbaaaaa");
  await expectOver(page, 1, 0, { a: "no", b: "yes", c: "yes" });
  await expect(state(page, "a")).toContainText("the money goes back");
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
  await expectAccessible(page);
  await page.setViewportSize({ width: 1280, height: 800 });
  await expectCleanAudit(page);
});

test("a guess is compared with what happened", async ({ page }) => {
  await page.goto("/admin/stepper?story=lost-update&steps=aaabbbaaaaabbbbb");
  await expect(page.getByTestId("link-steps")).toHaveText(
    "Buyer A 3 times, then Buyer B 3 times, then Buyer A 5 times, then Buyer B 5 times.",
  );
  await expectAccessible(page);
  await page.getByLabel("Sold", { exact: true }).fill("1");
  await page.getByLabel("Oversold").fill("0");
  await page.getByRole("button", { name: "Replay the 16 steps" }).click();
  await expectOver(page, 2, 1, { a: "yes", b: "yes" });
  await expect(page.getByTestId("guess")).toHaveText(
    "You guessed 1 sold and 0 oversold; it was 2 and 1.",
  );
});

test("by keys alone: step, back, play and pause, and the list of keys", async ({ page }) => {
  await openStoryAwake(page, "FOR UPDATE makes the second wait");
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
  await expect(state(page, "b")).toContainText("About to run");
  await page.keyboard.press("ArrowLeft");
  await expectSteps(page, 4);

  await page.keyboard.press("?");
  await expect(page.getByText("play, pause")).toBeVisible();

  await page.getByLabel("Speed").selectOption("500");
  await page.locator("main").focus();
  await page.keyboard.press(" ");
  await expect(page.getByRole("button", { name: "Pause" })).toBeVisible();
  await expectOver(page, 1, 0, { a: "yes", b: "no" });
  await expect(page.getByRole("button", { name: "Play", exact: true })).toBeDisabled();
  // A reload shows the same.
  await page.reload();
  await expectOver(page, 1, 0, { a: "yes", b: "no" });
});

test("a second page follows the first, and a link leads to the same place", async ({
  page,
  context,
}) => {
  await openStoryAwake(page, "FOR UPDATE makes the second wait");
  const projector = await context.newPage();
  await projector.goto(page.url());
  await untilAwake(projector);
  await press(page, "aaabbb");
  await expectWaits(projector, "b", "Buyer A");
  await expectSteps(projector, 6);

  const link = await page.getByTestId("share").getAttribute("href");
  expect(link).toBe("/admin/stepper?story=row-lock&steps=aaabbb");
  await projector.goto(link!);
  await projector.getByRole("button", { name: "Replay the 6 steps" }).click();
  await expectWaits(projector, "b", "Buyer A");
  await projector.getByRole("button", { name: "End and roll back" }).click();
  await expect(projector.getByTestId("standing")).toHaveText("Rolled back");
  await projector.close();
});

test("a story of one's own: three buyers, by other strategies and levels", async ({ page }) => {
  await page.goto("/admin/stepper");
  await expectAccessible(page);
  await page.getByLabel("Units on the shelf").fill("2");
  const seat = (name: string) => page.getByRole("group", { name });
  await seat("Buyer A").getByLabel("Strategy").selectOption("row-lock");
  await seat("Buyer B").getByLabel("Strategy").selectOption("unguarded");
  await seat("Buyer B").getByLabel("Isolation level").selectOption("repeatable-read");
  await seat("Buyer C").getByLabel("Strategy").selectOption("process-mutex");
  await page.getByRole("button", { name: "Open the session" }).click();
  await expect(page).toHaveURL(SESSION_ADDRESS);
  await untilAwake(page);
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
