import { tabTo } from "../fixtures/accessibility";
import { FLASK, delivered, euros } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import { ORDER_ADDRESS, card, fillIn, goToCheckout, guest, payButton } from "../fixtures/shopper";

test("a purchase is possible by keyboard alone", async ({ page }) => {
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
  await expect(payButton(page)).toBeVisible();

  for (const [label, value] of Object.entries({ ...guest(), ...card() })) {
    await tabTo(page, page.getByLabel(label, { exact: true }));
    await page.keyboard.type(value);
  }
  await tabTo(page, payButton(page));
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expect(page.getByRole("main")).toContainText(
    euros(delivered(FLASK.priceCents)),
  );
});

test("Enter in a checkout field pays and does not extend the reservation", async ({ page }) => {
  await goToCheckout(page, [FLASK, 1]);
  await fillIn(page, { ...guest(), ...card() });
  await page.getByLabel("Security code").press("Enter");
  await expect(page).toHaveURL(ORDER_ADDRESS);
});
