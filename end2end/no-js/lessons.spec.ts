import { expectAccessible } from "../fixtures/accessibility";
import { signIn } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";

// What is played last is what the page shows: nobody else may play.
test.use({ ownShop: true });

test("a lesson is played without JavaScript", async ({ page, adminPassword }) => {
  await signIn(page.request, adminPassword);
  await page.goto("/admin/lessons");
  const card = page.getByRole("region", { name: "Off by one in a counter script", exact: true });
  await expect(card).toContainText("Not played yet.");
  await card.getByRole("button", { name: "Run it" }).click();
  await expect(page).toHaveURL("/admin/lessons#off-by-one");
  const sold = card.getByRole("row").filter({ hasText: "Sold" });
  await expect(sold.getByRole("cell")).toHaveText(["21", "20"]);
  await expectAccessible(page);
});
