import { expect, test } from "../fixtures/shop";

test("the shop opens", async ({ page }) => {
  await page.goto("/");
  await expect(page).toHaveTitle(/Doorbuster/);
});
