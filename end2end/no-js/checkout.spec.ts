import { expectAccessible } from "../fixtures/accessibility";
import { expectCleanAudit, createCode, signIn, stockNumbers } from "../fixtures/administrator";
import { BACKPACK, BLOCKS, CHESS, LAMP, SPEAKER, euros } from "../fixtures/catalogue";
import { OFTEN, expectBecomes } from "../fixtures/changes";
import { expect, test } from "../fixtures/shop";
import {
  CARDS,
  ORDER_ADDRESS,
  RESERVED,
  addToCart,
  buy,
  card,
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
} from "../fixtures/shopper";

test.describe("a checkout without JavaScript", () => {
  test.use({ ownShop: true });

  test("shows the end of the reservation, extends it once, and survives a declined card", async ({
    page,
  }) => {
    const before = await stockOf(page.request, SPEAKER);
    await goToCheckout(page, [SPEAKER, 2]);
    await expect(hold(page)).toContainText(RESERVED);
    // Without JavaScript there is no countdown.
    await expect(page.getByRole("timer")).toBeHidden();
    await expect(hold(page).getByRole("progressbar")).toBeHidden();
    await expect(page.getByRole("button", { name: "Reserve again" })).toBeHidden();
    await expectAccessible(page);
    const contact = guest();
    await fillIn(page, contact);
    await page.getByRole("button", { name: "Add 10 minutes" }).click();
    await expect(hold(page)).toContainText("Extended once");
    await expect(page.getByRole("button", { name: "Add 10 minutes" })).toBeHidden();
    await expectFilledIn(page, contact);

    await pay(page, contact, CARDS.declined);
    await expect(page.getByRole("alert")).toContainText(
      "The card was declined. Nothing was charged.",
    );
    await expect(hold(page)).toContainText(RESERVED);
    await expectFilledIn(page, { ...contact, "Card number": "" });
    await expectAccessible(page);
    expect(await stockOf(page.request, SPEAKER)).toBe(before - 2);
    await fillIn(page, card());
    // Enter pays; it neither extends the reservation nor applies a code.
    await page.getByLabel("Security code").press("Enter");
    await expect(page).toHaveURL(ORDER_ADDRESS);
    await expect(orderStatus(page)).toHaveText("Paid");
  });

  test("accepts a discount code, and shows why a code is invalid", async ({
    page,
    anotherBrowser,
    adminPassword,
  }) => {
    const admin = await anotherBrowser();
    await signIn(admin.request, adminPassword);
    await createCode(admin.request, { code: "WITHOUT-SCRIPT", kind: "percent", value: "50" });
    await goToCheckout(page, [LAMP, 2]);
    const contact = guest();
    await fillIn(page, { ...contact, "Discount code": "nonsense" });
    await page.getByRole("button", { name: "Apply" }).click();
    await expect(page.getByLabel("Discount code")).toHaveAccessibleDescription(
      "The discount code NONSENSE does not exist.",
    );
    await expect(page.getByLabel("Discount code")).toBeInViewport();
    await expectAccessible(page);
    await fillIn(page, { "Discount code": "without-script" });
    await page.getByRole("button", { name: "Apply" }).click();
    await expect(payButton(page)).toHaveText(`Pay ${euros(LAMP.priceCents)}`);
    await expectFilledIn(page, contact);
    await expectAccessible(page);
    await fillIn(page, card());
    await payButton(page).click();
    await expect(orderPayment(page)).toHaveText(`${euros(LAMP.priceCents)} paid by card.`);
  });

  for (const [what, number] of [
    ["is slow", CARDS.slow],
    ["is lost and has to be queried", CARDS.answerLostForGood],
  ] as const) {
    test(`leads to an order page that reloads itself until the payment is known, if the response ${what}`, async ({
      page,
    }) => {
      await goToCheckout(page, [BLOCKS, 2]);
      await pay(page, guest(), number);
      await expect(orderStatus(page)).toHaveText("Confirming");
      await expectBecomes(orderStatus(page), "Paid");
      await expectAccessible(page);
    });
  }

  test("places one order if Pay is clicked twice", async ({ page }) => {
    const before = await stockOf(page.request, BLOCKS);
    await goToCheckout(page, [BLOCKS, 2]);
    await fillIn(page, { ...guest(), ...card() });
    await payButton(page).dblclick({ noWaitAfter: true });
    await expect(page).toHaveURL(ORDER_ADDRESS);
    await expect(orderStatus(page)).toHaveText("Paid");
    expect(await stockOf(page.request, BLOCKS)).toBe(before - 2);
  });

  test("places an order that can be found again", async ({ page }) => {
    const contact = guest();
    await goToCheckout(page, [BLOCKS, 2]);
    await pay(page, contact);
    await expect(page).toHaveURL(ORDER_ADDRESS);
    const order = page.url();
    const number = /DB-\d{6}/.exec((await page.getByText(/DB-\d{6}/).textContent())!)![0];
    await page.getByRole("contentinfo").getByRole("link", { name: "Find your order" }).click();
    await fillIn(page, { "Order number": number, "E-mail": "other@example.com" });
    await page.getByRole("button", { name: "Find order" }).click();
    await expect(page.getByRole("alert")).toContainText("This order does not exist.");
    await expectAccessible(page);
    await fillIn(page, { "E-mail": contact["E-mail"] });
    await page.getByRole("button", { name: "Find order" }).click();
    await expect(page).toHaveURL(order);
  });

  test("can be refunded and cancelled by the administrator without JavaScript", async ({
    page,
    adminPassword,
  }) => {
    await goToCheckout(page, [BACKPACK, 2]);
    await pay(page, guest());
    await expect(page).toHaveURL(ORDER_ADDRESS);
    const order = new URL(page.url()).pathname;
    await signIn(page.request, adminPassword);
    await page.goto(`/admin${order}`);
    await expectAccessible(page);
    await page.getByRole("button", { name: `Refund ${BACKPACK.name}` }).click();
    await page.getByText("Cancel order").click();
    await page.getByRole("button", { name: "Yes, cancel it" }).click();
    const summary = page.getByRole("region", { name: "Summary" });
    await expect(summary).toContainText(`${euros(2 * BACKPACK.priceCents)} was refunded.`);

    await page.goto("/admin/stock");
    const [total] = await stockNumbers(page, BACKPACK);
    const form = page.getByRole("form", { name: "Receive units" });
    await form.getByLabel("Product").selectOption(BACKPACK.name);
    await form.getByLabel("Units").fill("4");
    await form.getByRole("button", { name: "Receive" }).click();
    await expect(page).toHaveURL(`/admin/stock#stock-${BACKPACK.id}`);
    expect((await stockNumbers(page, BACKPACK))[0]).toBe(total! + 4);
    await expectCleanAudit(page);
  });
});

test.describe("an expired reservation without JavaScript", () => {
  test.use({ freshShop: true, settings: { HOLD_TTL_S: "5", UNPAID_PAUSE_S: "0" } });

  test("cannot be extended, shows an error, and can be made again with the input kept", async ({
    page,
  }) => {
    await goToCheckout(page, [CHESS, 3]);
    await expect(hold(page)).toContainText("Less than a minute left.");
    await expectAccessible(page);
    const contact = guest();
    await fillIn(page, contact);
    await expect.poll(() => stockOf(page.request, CHESS), { intervals: OFTEN, timeout: 20_000 }).toBe(5);
    await page.getByRole("button", { name: "Add 5 seconds" }).click();
    await expect(page.getByRole("alert")).toContainText(
      "Your reservation has expired. Reserve again to continue.",
    );
    await expect(hold(page)).toContainText(`3 × ${CHESS.name} returned to stock.`);
    await expectFilledIn(page, contact);
    await expectAccessible(page);
    await page.getByRole("button", { name: "Reserve again" }).click();
    await expect(hold(page)).toContainText(RESERVED);
    await expectFilledIn(page, contact);
  });
});

test.describe("a late payment without JavaScript", () => {
  test.use({ freshShop: true, settings: { HOLD_TTL_S: "2" } });

  test("is refunded, and the order’s page shows it after reloading itself", async ({ page }) => {
    await addToCart(page, CHESS, 5, "Buy now");
    await pay(page, guest(), CARDS.slow);
    await expect(orderStatus(page)).toHaveText("Confirming");
    await expect.poll(() => stockOf(page.request, CHESS), { intervals: OFTEN, timeout: 20_000 }).toBe(5);
    await buy(page.request, CHESS, 1);
    await expectBecomes(orderStatus(page), "Cancelled");
    const price = euros(5 * CHESS.priceCents);
    await expect(orderPayment(page)).toHaveText(`${price} paid by card. ${price} was refunded.`);
    await expectAccessible(page);
  });
});
