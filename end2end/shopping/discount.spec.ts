import { randomUUID } from "node:crypto";

import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { type NewCode, createCode, signIn } from "../fixtures/administrator";
import { LAMP, euros } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  ORDER_ADDRESS,
  RESERVED,
  card,
  expectFilledIn,
  fillIn,
  goToCheckout,
  guest,
  hold,
  orderPayment,
  pay,
  payButton,
  totalRow,
} from "../fixtures/shopper";

test.use({ ownShop: true });

/** Number of codes that one address may try in a burst. */
const TRIES = 20;

/** Creates a code that no other test uses, as the administrator. */
const testWithCode = test.extend<{ code: (code: Omit<NewCode, "code">) => Promise<string> }>({
  code: async ({ anotherBrowser, adminPassword }, use) => {
    const admin = await anotherBrowser();
    await signIn(admin.request, adminPassword);
    await use(async (rest) => {
      const code = `CODE-${randomUUID().slice(0, 8).toUpperCase()}`;
      await createCode(admin.request, { code, ...rest });
      return code;
    });
  },
});

testWithCode("a discount code is deducted in the order summary and on the receipt", { tag: "@phone" }, async ({
  page,
  code,
}) => {
  const name = await code({ kind: "percent", value: "10" });
  await goToCheckout(page, [LAMP, 2]);
  const contact = guest();
  // Case and spaces do not matter.
  await fillIn(page, { ...contact, "Discount code": ` ${name.toLowerCase()} ` });
  await page.getByRole("button", { name: "Apply" }).click();
  const summary = page.getByRole("complementary", { name: "Your order" });
  await expect(page.getByText("10 % off")).toBeVisible();
  const total = euros(2 * LAMP.priceCents * 0.9);
  await expect(summary).toContainText(`−${euros(2 * LAMP.priceCents * 0.1)}`);
  await expect(page.getByLabel("Discount code")).toHaveValue(name);
  await expect(page.getByLabel("Discount code")).toBeInViewport();
  await expect(page.getByRole("alert")).toHaveCount(0);
  await expectFilledIn(page, contact);
  await expectAccessible(page);
  await expectNoSidewaysScroll(page);

  await expect(payButton(page)).toHaveText(`Pay ${total}`);
  await fillIn(page, card());
  await payButton(page).click();
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expect(page.getByRole("row", { name: `Discount ${name}` })).toContainText(
    `−${euros(2 * LAMP.priceCents * 0.1)}`,
  );
  await expect(totalRow(page).getByRole("cell")).toHaveText(total);
  await expect(orderPayment(page)).toHaveText(`${total} paid by card.`);
});

testWithCode("an invalid code is rejected with its reason next to its field", async ({
  page,
  code,
}) => {
  const dear = await code({ kind: "amount", value: "20", min_subtotal: "500" });
  await goToCheckout(page, [LAMP, 1]);
  const contact = guest();
  await fillIn(page, contact);
  for (const [typed, reason] of [
    ["NO-SUCH-CODE", "The discount code NO-SUCH-CODE does not exist."],
    [dear, `The discount code ${dear} requires an order of at least €500.00.`],
  ] as const) {
    await fillIn(page, { "Discount code": typed });
    await page.getByRole("button", { name: "Apply" }).click();
    await expect(page.getByLabel("Discount code")).toHaveAccessibleDescription(reason);
    await expect(page.getByLabel("Discount code")).toHaveValue(typed);
    await expect(page.getByLabel("Discount code")).toBeInViewport();
    await expect(page.getByRole("alert")).toHaveCount(0);
    await expect(payButton(page)).toHaveText(`Pay ${euros(LAMP.priceCents)}`);
    await expectFilledIn(page, contact);
    await expectAccessible(page);
  }

  // Once removed, the code no longer matters.
  await fillIn(page, { "Discount code": "", ...card() });
  await payButton(page).click();
  await expect(page).toHaveURL(ORDER_ADDRESS);
});

testWithCode("two customers cannot both use the last use of a code", async ({ page, anotherBrowser, code }) => {
  const name = await code({ kind: "amount", value: "20", uses_max: "1" });
  const other = await anotherBrowser();
  for (const shopper of [page, other]) {
    await goToCheckout(shopper, [LAMP, 1]);
    await fillIn(shopper, { "Discount code": name });
    await shopper.getByRole("button", { name: "Apply" }).click();
    await expect(payButton(shopper)).toHaveText(`Pay ${euros(LAMP.priceCents - 2_000 + 490)}`);
  }
  await pay(other, guest());
  await expect(other).toHaveURL(ORDER_ADDRESS);

  const contact = guest();
  const usedUp = `The discount code ${name} has reached its usage limit.`;
  await pay(page, contact);
  await expect(page.getByRole("alert")).toContainText(usedUp);
  await expect(page.getByLabel("Discount code")).toHaveAccessibleDescription(usedUp);
  await expect(hold(page)).toContainText(RESERVED);
  await expectFilledIn(page, contact);
  await expectAccessible(page);
});

testWithCode("codes cannot be guessed in bulk, by any button", async ({ page, code }) => {
  await code({ kind: "percent", value: "10" });
  await goToCheckout(page, [LAMP, 1]);
  const cart_id = await page.locator("form.checkout input[name=cart_id]").inputValue();
  const guesses = Array.from({ length: TRIES + 10 }, (_, number) => `GUESS-${number}`);
  const sent = async (guess: string, number: number) => {
    const [form, act] = [
      ["change", "apply-code"],
      ["change", "reserve"],
      ["pay", ""],
    ][number % 3]!;
    return page.request.post(`/api/form/checkout/${form}`, {
      form: { act: act!, cart_id, code: guess },
      headers: { Accept: "application/json" },
    });
  };
  // Guesses that are checked at the same time all pass. When the first have been answered, they
  // are counted.
  const answers = await Promise.all(guesses.slice(0, TRIES).map(sent));
  for (const [number, guess] of guesses.slice(TRIES).entries()) {
    answers.push(await sent(guess, TRIES + number));
  }
  const rateLimited = guesses.filter((_, number) => answers[number]!.status() === 429);
  expect(rateLimited.length).toBeGreaterThan(0);
  expect(rateLimited.length).toBeLessThanOrEqual(10);
  // The page does not reveal whether a rate-limited code is valid.
  await page.goto("/checkout");
  expect(rateLimited).not.toContain(await page.getByLabel("Discount code").inputValue());
});
