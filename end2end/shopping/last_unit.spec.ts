import { VACUUM } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  ORDER_ADDRESS,
  buyDownTo,
  cartLine,
  expectFilledIn,
  fillIn,
  goToCheckout,
  guest,
  placeOrderButton,
  stockOf,
} from "../fixtures/shopper";

test.use({ ownShop: true });

test("of two shoppers who press at the same moment, one gets the last unit and the other a clear no", async ({
  page,
  anotherBrowser,
}) => {
  await buyDownTo(page.request, VACUUM, 1);
  const contact = guest();
  const shoppers = [page, await anotherBrowser()];
  for (const shopper of shoppers) {
    await goToCheckout(shopper, [VACUUM, 1]);
    await fillIn(shopper, contact);
  }
  await Promise.all(shoppers.map((shopper) => placeOrderButton(shopper).click()));

  const answers = await Promise.all(
    shoppers.map(async (shopper) => {
      const receipt = shopper.getByText("Your order is placed and the stock is yours.");
      const refusal = shopper.getByRole("alert");
      await expect(receipt.or(refusal)).toBeVisible();
      return (await refusal.isVisible()) ? "refused" : "served";
    }),
  );
  expect(answers.toSorted()).toEqual(["refused", "served"]);
  expect(await stockOf(page.request, VACUUM)).toBe(0);

  const [winner, loser] = answers[0] === "served" ? shoppers : shoppers.toReversed();
  await expect(winner!).toHaveURL(ORDER_ADDRESS);
  await expect(loser!).toHaveURL("/checkout");
  await expect(loser!.getByRole("alert")).toContainText(
    `Insufficient stock for ${VACUUM.name} (available: 0, requested: 1)`,
  );
  await expectFilledIn(loser!, contact);
  await loser!.getByRole("link", { name: "Go to your cart" }).click();
  await expect(cartLine(loser!, VACUUM)).toContainText("Sold out");
  await expect(loser!.getByRole("button", { name: "Checkout" })).toBeDisabled();
});
