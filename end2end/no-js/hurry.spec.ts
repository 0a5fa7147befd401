import { FLASK, KETTLE } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  CARDS,
  ORDER_ADDRESS,
  addToCart,
  card,
  expectCartBadge,
  expectFilledIn,
  fillIn,
  guest,
  payButton,
} from "../fixtures/shopper";

test.use({ ownShop: true });

test("after a declined card the page says that the card must be typed again, and keeps the rest", async ({
  page,
}) => {
  await addToCart(page, FLASK, 1, "Buy now");
  await expect(page).toHaveURL("/checkout/now");
  const contact = guest();
  await fillIn(page, { ...contact, ...card(CARDS.declined) });
  await payButton(page).click();
  await expect(page).toHaveURL("/checkout/now");
  await expect(page.getByRole("alert")).toContainText("The card was declined. Nothing was charged.");
  await expect(page.getByRole("group", { name: "Payment" })).toContainText(
    "Enter the card again: the shop never stores it.",
  );
  await expectFilledIn(page, { ...contact, "Card number": "", Expires: "", "Security code": "" });
  await fillIn(page, { ...card(), Expires: "1230" });
  await payButton(page).click();
  await expect(page).toHaveURL(ORDER_ADDRESS);
});

test("the shop decides whether there is a postal code", async ({ page }) => {
  await addToCart(page, FLASK, 1, "Buy now");
  const { "Postal code": _, Country, ...contact } = guest();
  await page.getByLabel("Country", { exact: true }).selectOption({ label: Country });
  await fillIn(page, { ...contact, ...card(), Expires: "12/2030" });
  await payButton(page).click();
  await expect(page.getByLabel("Postal code")).toHaveAccessibleDescription(/Fill this in\.$/);
  await page.getByLabel("Country", { exact: true }).selectOption({ label: "Hong Kong" });
  await fillIn(page, card());
  await payButton(page).click();
  await expect(page).toHaveURL(ORDER_ADDRESS);
});

test("a quantity has a plain field and a button, and Buy now does not change the cart", async ({ page }) => {
  await addToCart(page, KETTLE, 2);
  await expect(page.getByRole("button", { name: "One more" })).toBeHidden();
  await page.getByLabel(`Quantity of ${KETTLE.name}`).fill("3");
  await page.getByRole("button", { name: `Update ${KETTLE.name}` }).click();
  await expectCartBadge(page, 3);
  await addToCart(page, FLASK, 1, "Buy now");
  await expectCartBadge(page, 3);
  await fillIn(page, { ...guest(), ...card() });
  await payButton(page).click();
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expectCartBadge(page, 3);
});
