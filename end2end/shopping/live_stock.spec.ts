import { BLOCKS, MICROPHONE, TURNTABLE } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  addToCart,
  buy,
  buyDownTo,
  cartLine,
  payButton,
  waitForIslands,
} from "../fixtures/shopper";

test.use({ ownShop: true });

test("an open product page and an open cart follow the stock until it is sold out", { tag: "@phone" }, async ({
  page,
  anotherBrowser,
}) => {
  const cart = await anotherBrowser();
  await addToCart(cart, BLOCKS);
  await addToCart(cart, TURNTABLE, 2);
  await waitForIslands(cart);
  const note = cartLine(cart, TURNTABLE).getByRole("status");
  const checkout = cart.getByRole("button", { name: "Checkout" });
  await expect(note).toBeHidden();
  await expect(checkout).toBeEnabled();

  await page.goto(`/products/${TURNTABLE.slug}`);
  await waitForIslands(page);
  const buyBox = page.getByRole("region", { name: "Buy" });
  const stock = buyBox.getByRole("status");
  const roll = buyBox.getByRole("progressbar");
  await expect(stock).toHaveText("In stock 15 of 15 left");
  await expect(buyBox.getByRole("button", { name: "Add to cart" })).toBeEnabled();

  const quantity = buyBox.getByLabel("Quantity");
  await expect(quantity).toHaveAttribute("max", "15");
  await quantity.fill("5");

  await buy(page.request, TURNTABLE, 10);
  await expect(quantity).toHaveAttribute("max", "5");
  await expect(quantity).toHaveAccessibleDescription("Only 5 left.");
  await expect(buyBox.getByRole("button", { name: "One more" })).toHaveAttribute("aria-disabled", "true");
  await expect(stock).toHaveText("Only 5 left 5 of 15 left");
  await expect(stock.locator(".badge")).toHaveClass("badge badge--low");
  await expect(roll).toHaveJSProperty("value", 5);
  await expect(note).toBeHidden();
  await expect(checkout).toBeEnabled();

  await buy(page.request, TURNTABLE, 4);
  await expect(stock).toHaveText("Last one 1 of 15 left");
  await expect(buyBox.getByRole("button", { name: "Add to cart" })).toBeEnabled();
  await expect(note).toHaveText("Only 1 left. Change the quantity to continue.");
  await expect(checkout).toBeDisabled();
  await expect(checkout).toHaveAccessibleDescription(
    "Change the marked items to continue.",
  );

  await buy(page.request, TURNTABLE, 1);
  await expect(stock).toHaveText(/^Sold out 15 of 15 sold in /);
  await expect(buyBox.getByRole("button", { name: "Sold out" })).toBeDisabled();
  await expect(buyBox.getByRole("button", { name: "Buy now" })).toBeDisabled();
  await expect(note).toHaveText("Sold out. Remove it to continue.");

  await cart.getByRole("button", { name: `Remove ${TURNTABLE.name}` }).click();
  await expect(cart.getByRole("button", { name: "Checkout" })).toBeEnabled();
});

test("an open product page follows another shopper’s reservation and its release", async ({
  page,
  anotherBrowser,
}) => {
  await buyDownTo(page.request, MICROPHONE, 3);
  await page.goto(`/products/${MICROPHONE.slug}`);
  await waitForIslands(page);
  const shopper = await anotherBrowser();
  await addToCart(shopper, MICROPHONE, 3);
  await expect(cartLine(shopper, MICROPHONE)).toBeVisible();
  // A cart reserves nothing: only the checkout does.
  await expect(page.getByRole("button", { name: "Add to cart" })).toBeEnabled();
  await shopper.getByRole("button", { name: "Checkout" }).click();
  await expect(payButton(shopper)).toBeVisible();
  await expect(page.getByRole("button", { name: "All reserved" })).toBeDisabled();
  await expect(page.getByRole("button", { name: "Buy now" })).toBeDisabled();

  await shopper.goto("/cart");
  await shopper.getByRole("button", { name: `Remove ${MICROPHONE.name}` }).click();
  await expect(page.getByRole("button", { name: "Add to cart" })).toBeEnabled();
});
