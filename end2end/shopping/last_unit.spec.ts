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
  submitCheckoutForm,
  stockOf,
} from "../fixtures/shopper";

test.use({ ownShop: true });

const INSUFFICIENT = `All units of ${VACUUM.name} are sold or reserved.`;

/**
 * Waits until both shoppers have a result; returns the one who was served and the one who was
 * rejected.
 */
async function winnerAndLoser(shoppers: Page[], served: (page: Page) => ReturnType<Page["locator"]>) {
  const answers = await Promise.all(
    shoppers.map(async (shopper) => {
      const alert = shopper.getByRole("alert");
      await expect(served(shopper).or(alert)).toBeVisible();
      return (await alert.isVisible()) ? "rejected" : "served";
    }),
  );
  expect(answers.toSorted()).toEqual(["rejected", "served"]);
  const [winner, loser] = answers[0] === "served" ? shoppers : shoppers.toReversed();
  return { winner: winner!, loser: loser! };
}

test("if two shoppers check out at the same time, one reserves the last unit and the other is rejected", async ({
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
  await Promise.all(shoppers.map(submitCheckoutForm));
  const { winner, loser } = await winnerAndLoser(shoppers, payButton);
  expect(await stockOf(page.request, VACUUM)).toBe(0);
  await expect(loser).toHaveURL("/cart");
  await expect(loser.getByRole("alert")).toContainText(INSUFFICIENT);
  // The winner may still not pay for it.
  await expect(cartLine(loser, VACUUM)).toContainText("All reserved.");
  await expect(loser.getByRole("button", { name: "Checkout" })).toBeDisabled();

  // The winner's own hold does not block the purchase.
  await winner.goto("/cart");
  await expect(hold(winner)).toContainText("Reserved until");
  await expect(cartLine(winner, VACUUM).getByRole("status")).toBeHidden();
  await winner.getByRole("button", { name: "Checkout" }).click();
  await pay(winner, guest());
  await expect(winner).toHaveURL(ORDER_ADDRESS);
  await expect(cartLine(loser, VACUUM)).toContainText("Sold out. Remove it to continue.");
  expect(await stockOf(page.request, VACUUM)).toBe(0);
});

test.describe("without a reservation", () => {
  test.use({ freshShop: true });

  test("if two shoppers pay at the same time, one gets the last unit and the other is rejected", async ({
    page,
    anotherBrowser,
  }) => {
    await buyDownTo(page.request, VACUUM, 1);
    const contact = guest();
    const shoppers = [page, await anotherBrowser()];
    for (const shopper of shoppers) {
      await addToCart(shopper, VACUUM);
      // Not through the button, which would reserve the items.
      await shopper.goto("/checkout");
      await fillIn(shopper, { ...contact, ...card() });
    }
    await Promise.all(shoppers.map((shopper) => payButton(shopper).click()));
    const { winner, loser } = await winnerAndLoser(shoppers, (shopper) =>
      shopper.getByText("Your order is paid and the items are yours."),
    );
    expect(await stockOf(page.request, VACUUM)).toBe(0);
    await expect(winner).toHaveURL(ORDER_ADDRESS);
    await expect(loser).toHaveURL("/checkout");
    await expect(loser.getByRole("alert")).toContainText(INSUFFICIENT);
    await expectFilledIn(loser, contact);
    await loser.getByRole("link", { name: "Go to your cart" }).click();
    await expect(cartLine(loser, VACUUM)).toContainText("Sold out");
    await expect(loser.getByRole("button", { name: "Checkout" })).toBeDisabled();
  });
});
