import type { Page } from "@playwright/test";

import { VACUUM } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  ORDER_ADDRESS,
  addToCart,
  buyDownTo,
  card,
  cartLine,
  expectFilledIn,
  fillIn,
  guest,
  hold,
  pay,
  payButton,
  sendToCheckout,
  stockOf,
} from "../fixtures/shopper";

test.use({ ownShop: true });

const REFUSED = `Insufficient stock for ${VACUUM.name} (available: 0, requested: 1)`;

/** Who got it and who did not, once both know. */
async function toldApart(shoppers: Page[], served: (page: Page) => ReturnType<Page["locator"]>) {
  const answers = await Promise.all(
    shoppers.map(async (shopper) => {
      const refusal = shopper.getByRole("alert");
      await expect(served(shopper).or(refusal)).toBeVisible();
      return (await refusal.isVisible()) ? "refused" : "served";
    }),
  );
  expect(answers.toSorted()).toEqual(["refused", "served"]);
  const [winner, loser] = answers[0] === "served" ? shoppers : shoppers.toReversed();
  return { winner: winner!, loser: loser! };
}

test("of two shoppers who go to the checkout at the same moment, one has the last unit set aside and the other a clear no", async ({
  page,
  anotherBrowser,
}) => {
  await buyDownTo(page.request, VACUUM, 2);
  const shoppers = [page, await anotherBrowser()];
  for (const shopper of shoppers) {
    await addToCart(shopper, VACUUM);
    await expect(cartLine(shopper, VACUUM)).toBeVisible();
  }
  await buyDownTo(page.request, VACUUM, 1);
  await Promise.all(shoppers.map(sendToCheckout));
  const { winner, loser } = await toldApart(shoppers, payButton);
  expect(await stockOf(page.request, VACUUM)).toBe(0);
  await expect(loser).toHaveURL("/cart");
  await expect(loser.getByRole("alert")).toContainText(REFUSED);
  await expect(cartLine(loser, VACUUM)).toContainText("Sold out");
  await expect(loser.getByRole("button", { name: "Checkout" })).toBeDisabled();

  // The last unit is the winner's, whose own hold is in nobody's way.
  await winner.goto("/cart");
  await expect(hold(winner)).toContainText("Reserved for you until");
  await expect(cartLine(winner, VACUUM).getByRole("status")).toBeHidden();
  await winner.getByRole("button", { name: "Checkout" }).click();
  await pay(winner, guest());
  await expect(winner).toHaveURL(ORDER_ADDRESS);
  expect(await stockOf(page.request, VACUUM)).toBe(0);
});

test.describe("without a reservation", () => {
  test.use({ freshShop: true });

  test("of two shoppers who press Pay at the same moment, one gets the last unit and the other a clear no", async ({
    page,
    anotherBrowser,
  }) => {
    await buyDownTo(page.request, VACUUM, 1);
    const contact = guest();
    const shoppers = [page, await anotherBrowser()];
    for (const shopper of shoppers) {
      await addToCart(shopper, VACUUM);
      // Not through the button, which sets aside.
      await shopper.goto("/checkout");
      await fillIn(shopper, { ...contact, ...card() });
    }
    await Promise.all(shoppers.map((shopper) => payButton(shopper).click()));
    const { winner, loser } = await toldApart(shoppers, (shopper) =>
      shopper.getByText("Your order is paid and the stock is yours."),
    );
    expect(await stockOf(page.request, VACUUM)).toBe(0);
    await expect(winner).toHaveURL(ORDER_ADDRESS);
    await expect(loser).toHaveURL("/checkout");
    await expect(loser.getByRole("alert")).toContainText(REFUSED);
    await expectFilledIn(loser, contact);
    await loser.getByRole("link", { name: "Go to your cart" }).click();
    await expect(cartLine(loser, VACUUM)).toContainText("Sold out");
    await expect(loser.getByRole("button", { name: "Checkout" })).toBeDisabled();
  });
});
