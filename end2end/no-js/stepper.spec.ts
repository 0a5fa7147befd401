import { expectAccessible } from "../fixtures/accessibility";
import { signIn } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";
import { expectOver, expectSteps, expectWaits, openStory, press, state } from "../fixtures/stepper";

test.use({ ownShop: true });

test.beforeEach(({ page, adminPassword }) => signIn(page.request, adminPassword));

test("without JavaScript each step is a form, and so is going back", async ({ page }) => {
  await openStory(page, "FOR UPDATE makes the second wait");
  await expect(page.getByRole("button", { name: "Play" })).toBeHidden();
  await press(page, "aaabbb");
  await expectWaits(page, "b", "Buyer A");
  await expectAccessible(page);
  await page.getByRole("button", { name: "Back one step" }).click();
  await expectSteps(page, 5);
  await expect(state(page, "b")).toContainText("About to run");
  await press(page, "baaaaab");
  await expectOver(page, 1, 0, { a: "yes", b: "no" });
});

test("what makes no story is refused with a sentence, and the list shows it", async ({ page }) => {
  await page.goto("/admin/stepper");
  const seat = (name: string) => page.getByRole("group", { name });
  await seat("Buyer A").getByLabel("Strategy").selectOption("buckets");
  await seat("Buyer B").getByLabel("Strategy").selectOption("row-lock");
  await page.getByRole("button", { name: "Open the session" }).click();
  await expect(page.getByRole("alert")).toContainText(
    "these strategies lay out their stock differently",
  );
  await expect(seat("Buyer A").getByLabel("Strategy")).toHaveValue("buckets");
});
