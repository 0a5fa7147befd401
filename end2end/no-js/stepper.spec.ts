import { expectAccessible } from "../fixtures/accessibility";
import { signIn } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";
import { expectFinished, expectSteps, expectWaits, openStory, press, state } from "../fixtures/stepper";

test.use({ ownShop: true });

test.beforeEach(({ page, adminPassword }) => signIn(page.request, adminPassword));

test("without JavaScript, stepping and going back use forms", async ({ page }) => {
  await openStory(page, "FOR UPDATE makes the second wait");
  await expect(page.getByRole("button", { name: "Play" })).toBeHidden();
  await press(page, "aaabbb");
  await expectWaits(page, "b", "Buyer A");
  await expectAccessible(page);
  await page.getByRole("button", { name: "Back one step" }).click();
  await expectSteps(page, 5);
  await expect(state(page, "b")).toContainText("Next statement");
  await press(page, "baaaaab");
  await expectFinished(page, 1, 0, { a: "Succeeded", b: "Rejected" });
});

test("an invalid story is rejected with a readable error on the list page", async ({ page }) => {
  await page.goto("/admin/stepper");
  const seat = (name: string) => page.getByRole("group", { name });
  await seat("Buyer A").getByLabel("Strategy").selectOption("buckets");
  await seat("Buyer B").getByLabel("Strategy").selectOption("row-lock");
  await page.getByRole("button", { name: "Start session" }).click();
  await expect(page.getByRole("alert")).toContainText(
    "these strategies need different stock layouts",
  );
  await expect(seat("Buyer A").getByLabel("Strategy")).toHaveValue("buckets");
});
