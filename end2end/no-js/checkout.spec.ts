import { expectAccessible } from "../fixtures/accessibility";
import { expectCleanAudit, makeCode, signIn, stockRow } from "../fixtures/administrator";
import { BACKPACK, BLOCKS, CHESS, LAMP, SPEAKER, euros } from "../fixtures/catalogue";
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

  test("says until when it is reserved, keeps it longer once, and survives a declined card", async ({
    page,
  }) => {
    const before = await stockOf(page.request, SPEAKER);
    await goToCheckout(page, [SPEAKER, 2]);
    await expect(hold(page)).toContainText(RESERVED);
    // Nothing stands there that does not move.
    await expect(page.getByRole("timer")).toBeHidden();
    await expect(hold(page).getByRole("progressbar")).toBeHidden();
    await expect(page.getByRole("button", { name: "Reserve again" })).toBeHidden();
    await expectAccessible(page);
    const contact = guest();
    await fillIn(page, contact);
    await page.getByRole("button", { name: "Keep it longer" }).click();
    await expect(hold(page)).toContainText("Kept longer once");
    await expect(page.getByRole("button", { name: "Keep it longer" })).toBeHidden();
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
    // Enter pays, and asks neither for more time nor for a discount.
    await page.getByLabel("Security code").press("Enter");
    await expect(page).toHaveURL(ORDER_ADDRESS);
    await expect(orderStatus(page)).toHaveText("Paid");
  });

  test("takes a discount code, and says why one does not count", async ({
    page,
    anotherBrowser,
    adminPassword,
  }) => {
    const admin = await anotherBrowser();
    await signIn(admin.request, adminPassword);
    await makeCode(admin.request, { code: "WITHOUT-SCRIPT", kind: "percent", value: "50" });
    await goToCheckout(page, [LAMP, 2]);
    const contact = guest();
    await fillIn(page, { ...contact, "Discount code": "nonsense" });
    await page.getByRole("button", { name: "Apply" }).click();
    await expect(page.getByLabel("Discount code")).toHaveAccessibleDescription(
      "There is no discount code NONSENSE.",
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
    ["is slow to come", CARDS.slow],
    ["is lost and has to be asked for", CARDS.answerLostForGood],
  ] as const) {
    test(`leads to an order that loads itself again until its payment is known, when the answer ${what}`, async ({
      page,
    }) => {
      await goToCheckout(page, [BLOCKS, 2]);
      await pay(page, guest(), number);
      await expect(orderStatus(page)).toHaveText("Confirming");
      await expect(orderStatus(page)).toHaveText("Paid", { timeout: 20_000 });
      await expectAccessible(page);
    });
  }

  test("is one order when Pay is pressed twice", async ({ page }) => {
    const before = await stockOf(page.request, BLOCKS);
    await goToCheckout(page, [BLOCKS, 2]);
    await fillIn(page, { ...guest(), ...card() });
    await payButton(page).dblclick({ noWaitAfter: true });
    await expect(page).toHaveURL(ORDER_ADDRESS);
    await expect(orderStatus(page)).toHaveText("Paid");
    expect(await stockOf(page.request, BLOCKS)).toBe(before - 2);
  });

  test("gives an order that can be found again", async ({ page }) => {
    const contact = guest();
    await goToCheckout(page, [BLOCKS, 2]);
    await pay(page, contact);
    await expect(page).toHaveURL(ORDER_ADDRESS);
    const order = page.url();
    const number = /DB-\d{6}/.exec((await page.getByText(/DB-\d{6}/).textContent())!)![0];
    await page.getByRole("contentinfo").getByRole("link", { name: "Find your order" }).click();
    await fillIn(page, { "Order number": number, "E-mail": "somebody@example.com" });
    await page.getByRole("button", { name: "Find it" }).click();
    await expect(page.getByRole("alert")).toContainText("There is no such order.");
    await expectAccessible(page);
    await fillIn(page, { "E-mail": contact["E-mail"] });
    await page.getByRole("button", { name: "Find it" }).click();
    await expect(page).toHaveURL(order);
  });

  test("is made good behind the counter without JavaScript too", async ({
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
    await page.getByText("Cancel the order").click();
    await page.getByRole("button", { name: "Yes, cancel it" }).click();
    const stands = page.getByRole("region", { name: "Where it stands" });
    await expect(stands).toContainText(`${euros(2 * BACKPACK.priceCents)} was refunded.`);

    await page.goto("/admin/stock");
    const [total] = await stockRow(page, BACKPACK);
    const form = page.getByRole("form", { name: "Receive units" });
    await form.getByLabel("Product").selectOption(BACKPACK.name);
    await form.getByLabel("Units").fill("4");
    await form.getByRole("button", { name: "Receive" }).click();
    await expect(page).toHaveURL(`/admin/stock#stock-${BACKPACK.id}`);
    expect((await stockRow(page, BACKPACK))[0]).toBe(total! + 4);
    await expectCleanAudit(page);
  });
});

test.describe("a reservation that has run out without JavaScript", () => {
  test.use({ freshShop: true, settings: { HOLD_TTL_S: "5" } });

  test("cannot be kept longer, says so, and is made again with all that was typed", async ({
    page,
  }) => {
    await goToCheckout(page, [CHESS, 3]);
    await expect(hold(page)).toContainText("Less than a minute is left.");
    await expectAccessible(page);
    const contact = guest();
    await fillIn(page, contact);
    await expect.poll(() => stockOf(page.request, CHESS), { timeout: 20_000 }).toBe(5);
    await page.getByRole("button", { name: "Keep it longer" }).click();
    await expect(page.getByRole("alert")).toContainText(
      "Your reservation has run out. Reserve again to go on.",
    );
    await expect(hold(page)).toContainText(`3 × ${CHESS.name} went back to the shelf.`);
    await expectFilledIn(page, contact);
    await expectAccessible(page);
    await page.getByRole("button", { name: "Reserve again" }).click();
    await expect(hold(page)).toContainText(RESERVED);
    await expectFilledIn(page, contact);
  });
});

test.describe("money that comes too late, without JavaScript", () => {
  test.use({ freshShop: true, settings: { HOLD_TTL_S: "2" } });

  test("goes back, and the order’s page says so by itself", async ({ page }) => {
    await addToCart(page, CHESS, 5, "Buy now");
    await pay(page, guest(), CARDS.slow);
    await expect(orderStatus(page)).toHaveText("Confirming");
    await expect.poll(() => stockOf(page.request, CHESS)).toBe(5);
    await buy(page.request, CHESS, 1);
    await expect(orderStatus(page)).toHaveText("Cancelled", { timeout: 20_000 });
    const price = euros(5 * CHESS.priceCents);
    await expect(orderPayment(page)).toHaveText(`${price} paid by card. ${price} was refunded.`);
    await expectAccessible(page);
  });
});
