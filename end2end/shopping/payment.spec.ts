import {
  expectAccessible,
  expectAccessibleAtAnyWidth,
  expectNoSidewaysScroll,
} from "../fixtures/accessibility";
import { BLOCKS, HEADPHONES, euros } from "../fixtures/catalogue";
import { expectBecomes } from "../fixtures/changes";
import { expect, test } from "../fixtures/shop";
import {
  CARDS,
  ORDER_ADDRESS,
  RESERVED,
  card,
  expectCartBadge,
  expectFilledIn,
  fillIn,
  goToCheckout,
  guest,
  hold,
  orderPayment,
  orderStatus,
  pay,
  payButton,
  stockOf,
  waitForIslands,
} from "../fixtures/shopper";

test.use({ ownShop: true });

test("after a declined card, form and reservation remain, and another card pays", { tag: "@phone" }, async ({ page }) => {
  const before = await stockOf(page.request, HEADPHONES);
  await goToCheckout(page, [HEADPHONES, 2]);
  const end = await hold(page).getByText(RESERVED).textContent();
  const contact = guest();
  for (const [number, sentence] of [
    [CARDS.declined, "The card was declined. Nothing was charged."],
    [CARDS.withoutFunds, "The card was declined: insufficient funds. Nothing was charged."],
  ] as const) {
    await pay(page, contact, number);
    await expect(page.getByRole("alert")).toContainText(sentence);
    await expect(page).toHaveURL("/checkout");
    await expectFilledIn(page, contact);
    // Not even the card has to be typed again.
    await expectFilledIn(page, card(number));
    await expectCartBadge(page, 2);
    await expect(hold(page)).toContainText(end!);
    expect(await stockOf(page.request, HEADPHONES)).toBe(before - 2);
  }
  await expectAccessible(page);
  await expectNoSidewaysScroll(page);
  await page.getByRole("alert").getByRole("link", { name: "Go to the card number" }).click();
  await expect(page.getByLabel("Card number")).toBeInViewport();
  await fillIn(page, card());
  await payButton(page).click();
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expect(orderStatus(page)).toHaveText("Paid");
  expect(await stockOf(page.request, HEADPHONES)).toBe(before - 2);
});

for (const [what, number] of [
  ["reported later by webhook", CARDS.answerLost],
  ["has to be asked for", CARDS.answerLostForGood],
] as const) {
  test(`a payment whose response is lost and ${what} is confirmed on the open page`, async ({
    page,
  }) => {
    const before = await stockOf(page.request, BLOCKS);
    await goToCheckout(page, [BLOCKS, 2]);
    const answer = page.waitForResponse(
      (response) =>
        ORDER_ADDRESS.test(response.url()) && response.request().isNavigationRequest(),
    );
    await pay(page, guest(), number);
    const html = await (await answer).text();
    if (number === CARDS.answerLostForGood) {
      // The shop queries after five seconds, and the page shows the result within three.
      expect(html).toContain("Your payment is being confirmed.");
    }
    await page.evaluate(() => Object.assign(window, { neverLoadedAgain: true }));
    await expectBecomes(orderStatus(page), "Paid");
    await expect(orderPayment(page)).toHaveText(`${euros(2 * BLOCKS.priceCents)} paid by card.`);
    await expect(page.getByText("Your order is paid and the items are yours.")).toBeVisible();
    expect(await page.evaluate(() => "neverLoadedAgain" in window)).toBe(true);
    expect(await stockOf(page.request, BLOCKS)).toBe(before - 2);
  });
}

test("the page of an unconfirmed payment is accessible and closes its stream once confirmed", async ({ page }) => {
  // A browser reopens an ended stream after some seconds unless the page has closed it.
  await page.addInitScript(() => {
    const close = EventSource.prototype.close;
    EventSource.prototype.close = function () {
      Object.assign(window, { streamClosed: true });
      close.call(this);
    };
  });
  await goToCheckout(page, [BLOCKS, 2]);
  await pay(page, guest(), CARDS.slow);
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expect(orderStatus(page)).toHaveText("Confirming");
  await expectAccessibleAtAnyWidth(page);
  await waitForIslands(page);
  await expectBecomes(orderStatus(page), "Paid");
  await expect.poll(() => page.evaluate(() => "streamClosed" in window)).toBe(true);
});

test("a clicked button is marked as busy", { tag: "@phone" }, async ({ page }) => {
  await goToCheckout(page, [BLOCKS, 2]);
  await waitForIslands(page);
  await fillIn(page, { ...guest(), ...card() });
  const isBusy = await payButton(page).evaluate((button: HTMLButtonElement) => {
    button.click();
    return button.getAttribute("aria-busy");
  });
  expect(isBusy).toBe("true");
  await expect(page).toHaveURL(ORDER_ADDRESS);
});

test.describe("while the payment provider is unreachable", () => {
  // No server listens on this port.
  test.use({ freshShop: true, settings: { PAYMENT_PROVIDER_URL: "http://127.0.0.1:9" } });

  test("nothing is charged, and form and reservation remain", async ({ page }) => {
    const before = await stockOf(page.request, BLOCKS);
    await goToCheckout(page, [BLOCKS, 2]);
    const contact = guest();
    await pay(page, contact);
    await expect(page.getByRole("alert")).toContainText(
      /The payment provider cannot be reached\. Nothing was charged; try again in \d+ s\./,
    );
    await expect(page).toHaveURL("/checkout");
    await expect(hold(page)).toContainText(RESERVED);
    await expectFilledIn(page, contact);
    await expectCartBadge(page, 2);
    await expectAccessible(page);
    expect(await stockOf(page.request, BLOCKS)).toBe(before - 2);
  });
});
