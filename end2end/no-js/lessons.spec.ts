import { expectAccessible } from "../fixtures/accessibility";
import { signIn } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";

// The page shows the latest result of a card, so no other test may run cards.
test.use({ ownShop: true });

test("a regression card runs without JavaScript", async ({ page, adminPassword }) => {
  await signIn(page.request, adminPassword);
  await page.goto("/admin/lessons");
  const card = page.getByRole("region", { name: "Off by one in a counter script", exact: true });
  await expect(card).toContainText("Not run yet.");
  await card.getByRole("button", { name: "Run it" }).click();
  await expect(page).toHaveURL("/admin/lessons#off-by-one");
  const sold = card.getByRole("row").filter({ hasText: "Sold" });
  await expect(sold.getByRole("cell")).toHaveText(["21", "20"]);
  await expectAccessible(page);
});
