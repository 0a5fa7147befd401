import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { BICYCLE, BLOCKS, CHESS, FLASK, KETTLE, TURNTABLE, euros } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  ORDER_ADDRESS,
  QUANTITY_SENTENCE,
  RESERVED,
  addToCart,
  buyDownTo,
  card,
  cartLine,
  expectCartBadge,
  expectFilledIn,
  fillIn,
  goToCheckout,
  guest,
  hold,
  pay,
  payButton,
  stockOf,
  totalRow,
  disableValidation,
} from "../fixtures/shopper";

test.use({ ownShop: true });

test("without JavaScript, a shopper can find a product, change the cart, order, and open the order", async ({
  page,
}) => {
  const before = await stockOf(page.request, BLOCKS);
  await page.goto("/");
  expect(await page.evaluate(() => matchMedia("(scripting: none)").matches)).toBe(true);
  await page.getByRole("link", { name: "Play" }).click();
  await page.getByRole("link", { name: BLOCKS.name }).click();
  await page.getByRole("button", { name: "Add to cart" }).click();
  await addToCart(page, FLASK);
  await expectCartBadge(page, 2);
  await page.getByLabel(`Quantity of ${BLOCKS.name}`).fill("3");
  await page.getByRole("button", { name: `Update ${BLOCKS.name}` }).click();
  await expectCartBadge(page, 4);
  await page.getByRole("button", { name: `Remove ${FLASK.name}` }).click();
  await expectCartBadge(page, 3);
  await page.getByRole("button", { name: "Checkout" }).click();
  await expect(hold(page)).toContainText(RESERVED);
  await pay(page, guest());
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Thank you, Ada Lovelace");
  await expect(totalRow(page)).toContainText(euros(3 * BLOCKS.priceCents));
  await expectCartBadge(page, 0);
  expect(await stockOf(page.request, BLOCKS)).toBe(before - 3);
});

test("Buy now opens the checkout", async ({ page }) => {
  await addToCart(page, FLASK, 2, "Buy now");
  await expect(page).toHaveURL("/checkout/now");
  await expect(payButton(page)).toBeVisible();
});

test.describe("an invalid quantity", () => {
  // A number field with text that is not a number.
  test.use({ expectedComplaint: /The specified value "abc" cannot be parsed/ });

  for (const typed of ["-7", "0", "1.5", "1001", "abc", ""]) {
    test(`product page and cart reject “${typed}” and keep the input`, async ({
      page,
    }) => {
      await page.goto(`/products/${KETTLE.slug}`);
      await disableValidation(page.getByLabel("Quantity"));
      await page.getByLabel("Quantity").fill(typed);
      await page.getByRole("button", { name: "Add to cart" }).click();
      await expect(page.getByRole("alert")).toContainText(QUANTITY_SENTENCE);
      await expect(page.getByLabel("Quantity")).toHaveAttribute("value", typed);

      await addToCart(page, KETTLE, 2);
      const quantity = page.getByLabel(`Quantity of ${KETTLE.name}`);
      await disableValidation(quantity);
      await quantity.fill(typed);
      await page.getByRole("button", { name: `Update ${KETTLE.name}` }).click();
      await expect(page.getByRole("alert")).toContainText(QUANTITY_SENTENCE);
      await expect(quantity).toHaveAttribute("value", typed);
      await expectCartBadge(page, 2);
    });
  }
});

test("the checkout marks each invalid field, keeps the input, and accepts it once corrected", async ({
  page,
}) => {
  await goToCheckout(page, [KETTLE, 1]);
  const typed = { ...guest(), "E-mail": "invalid", "Postal code": "" };
  await disableValidation(page.getByLabel("E-mail"));
  await fillIn(page, { ...typed, ...card() });
  await payButton(page).click();
  await expect(page.getByRole("alert")).toContainText("Correct the marked fields.");
  await expectFilledIn(page, typed);
  await expect(page.getByLabel("E-mail")).toHaveAttribute("aria-invalid", "true");
  await expect(page.getByLabel("Postal code")).toHaveAccessibleDescription("Fill this in.");
  await pay(page, guest());
  await expect(page).toHaveURL(ORDER_ADDRESS);
});

test("an item that sells out is rejected at checkout and marked in the cart", async ({
  page,
}) => {
  await addToCart(page, TURNTABLE, 1);
  await buyDownTo(page.request, TURNTABLE, 0);
  await page.getByRole("button", { name: "Checkout" }).click();
  await expect(page.getByRole("alert")).toContainText(
    `All units of ${TURNTABLE.name} are sold or reserved.`,
  );
  await expect(page).toHaveURL("/cart");
  await expect(cartLine(page, TURNTABLE)).toContainText(
    "Sold out. Remove it to continue.",
  );
  await expect(page.getByRole("button", { name: "Checkout" })).toBeDisabled();
  await page.goto(`/products/${TURNTABLE.slug}`);
  await expect(page.getByRole("button", { name: "Sold out" })).toBeDisabled();
  await expect(page.getByRole("button", { name: "Buy now" })).toBeDisabled();
});

test("an order that stock cannot cover is rejected as a whole, and cart and form stay unchanged", async ({
  page,
}) => {
  const contact = guest();
  await addToCart(page, CHESS, 5);
  // Not through the button, which would reserve the items.
  await page.goto("/checkout");
  await buyDownTo(page.request, CHESS, 3);
  await pay(page, contact);
  await expect(page.getByRole("alert")).toContainText(
    `Only 3 units of ${CHESS.name} are left.`,
  );
  await expectFilledIn(page, contact);
  await expectCartBadge(page, 5);
  expect(await stockOf(page.request, CHESS)).toBe(3);
  await page.getByRole("link", { name: "Go to your cart" }).click();
  await expect(cartLine(page, CHESS)).toContainText("Only 3 left. Change the quantity to continue.");
  await page.getByLabel(`Quantity of ${CHESS.name}`).fill("3");
  await page.getByRole("button", { name: `Update ${CHESS.name}` }).click();
  await page.getByRole("button", { name: "Checkout" }).click();
  await expectFilledIn(page, contact);
  await fillIn(page, card());
  await payButton(page).click();
  await expect(page).toHaveURL(ORDER_ADDRESS);
  expect(await stockOf(page.request, CHESS)).toBe(0);
});

test("every page of the shop is accessible without JavaScript", async ({ page }) => {
  const expectGood = async () => {
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);
  };
  for (const path of [
    "/",
    `/products/${FLASK.slug}`,
    `/products/${BICYCLE.slug}`,
    "/cart",
    "/checkout",
    "/orders/find",
    "/api/docs",
    "/api/problems",
  ]) {
    await page.goto(path);
    await expectGood();
  }
  await addToCart(page, FLASK);
  await expectGood();
  await page.getByRole("button", { name: "Checkout" }).click();
  await disableValidation(page.getByLabel("E-mail"));
  await payButton(page).click();
  await expect(page.getByRole("alert")).toBeVisible();
  await expectGood();
  await pay(page, guest());
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expectGood();
});
