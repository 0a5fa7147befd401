import { tabTo } from "../fixtures/accessibility";
import { FLASK, euros } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import { ORDER_ADDRESS, guest, placeOrderButton } from "../fixtures/shopper";

test("a purchase needs nothing but a keyboard", async ({ page }) => {
  await page.goto("/");
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: "Skip to content" });
  await expect(skip).toBeFocused();
  await expect(skip).toBeInViewport({ ratio: 1 });
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();

  await tabTo(page, page.getByRole("link", { name: FLASK.name }));
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(FLASK.name);

  await tabTo(page, page.getByRole("button", { name: "Add to cart" }));
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL("/cart");

  await tabTo(page, page.getByRole("button", { name: "Checkout" }));
  await page.keyboard.press("Enter");
  await expect(placeOrderButton(page)).toBeVisible();

  for (const [label, value] of Object.entries(guest())) {
    await tabTo(page, page.getByLabel(label, { exact: true }));
    await page.keyboard.type(value);
  }
  await tabTo(page, placeOrderButton(page));
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expect(page.getByRole("main")).toContainText(euros(FLASK.priceCents));
});
