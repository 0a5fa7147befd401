import type { APIRequestContext, Page } from "@playwright/test";

import {
  BACKPACK,
  BLOCKS,
  CHESS,
  CONTROLLER,
  FLASK,
  KETTLE,
  POT,
  RADIO,
  delivered,
  euros,
} from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  ORDER_ADDRESS,
  QUANTITY_SENTENCE,
  addToCart,
  buyDownTo,
  card,
  cartLine,
  expectCartBadge,
  expectFilledIn,
  fillIn,
  goToCheckout,
  guest,
  orderPayment,
  orderStatus,
  pay,
  payButton,
  setQuantity,
  submitCheckoutForm,
  stockOf,
  totalRow,
  disableValidation,
} from "../fixtures/shopper";

test.use({ ownShop: true });

test("a shopper buys two products and can open the order by its link anywhere", { tag: "@phone" }, async ({
  page,
  anotherBrowser,
}) => {
  const before = await stockOf(page.request, BLOCKS);
  const contact = guest();
  await goToCheckout(page, [BLOCKS, 2], [FLASK, 1]);
  const total = euros(2 * BLOCKS.priceCents + FLASK.priceCents);
  await expect(page.getByRole("complementary", { name: "Your order" })).toContainText(total);
  await pay(page, contact);
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expectCartBadge(page, 0);
  expect(await stockOf(page.request, BLOCKS)).toBe(before - 2);

  const stranger = await anotherBrowser();
  await stranger.goto(page.url());
  for (const reader of [page, stranger]) {
    await expect(reader.getByRole("heading", { level: 1 })).toHaveText("Thank you, Ada Lovelace");
    const row = (name: string) => reader.getByRole("row").filter({ hasText: name });
    await expect(row(BLOCKS.name).getByRole("cell")).toHaveText([
      "2",
      euros(BLOCKS.priceCents),
      euros(2 * BLOCKS.priceCents),
    ]);
    await expect(row(FLASK.name).getByRole("cell")).toHaveText([
      "1",
      euros(FLASK.priceCents),
      euros(FLASK.priceCents),
    ]);
    await expect(totalRow(reader).getByRole("cell")).toHaveText(total);
    await expect(row("Shipping").getByRole("cell")).toHaveText("Free");
    await expect(orderStatus(reader)).toHaveText("Paid");
    await expect(orderPayment(reader)).toHaveText(`${total} paid by card.`);
    const address = reader.getByRole("region", { name: "Delivery address" });
    for (const label of ["Street and number", "Postal code", "City", "Country"] as const) {
      await expect(address).toContainText(contact[label]);
    }
  }
});

test("cart items can be changed and removed, and the badge counts them", { tag: "@phone" }, async ({
  page,
}) => {
  await page.goto("/");
  await expectCartBadge(page, 0);
  await addToCart(page, BLOCKS, 2);
  await expectCartBadge(page, 2);
  await addToCart(page, KETTLE);
  await expectCartBadge(page, 3);
  await addToCart(page, KETTLE, 3);
  await expectCartBadge(page, 6);
  await expect(page.getByLabel(`Quantity of ${KETTLE.name}`)).toHaveValue("4");
  await expect(cartLine(page, KETTLE)).toContainText(euros(4 * KETTLE.priceCents));

  await setQuantity(page, BLOCKS, 5);
  await expectCartBadge(page, 9);
  await expect(cartLine(page, BLOCKS)).toContainText(euros(5 * BLOCKS.priceCents));
  await expect(page.getByRole("complementary", { name: "Order summary" })).toContainText(
    euros(5 * BLOCKS.priceCents + 4 * KETTLE.priceCents),
  );

  await page.getByRole("button", { name: `Remove ${BLOCKS.name}` }).click();
  await expectCartBadge(page, 4);
  await expect(cartLine(page, BLOCKS)).toHaveCount(0);
  await page.getByRole("button", { name: `Remove ${KETTLE.name}` }).click();
  await expectCartBadge(page, 0);
  await expect(page.getByRole("heading", { name: "Your cart is empty" })).toBeVisible();
});

test("Buy now reserves the units and opens the checkout", { tag: "@phone" }, async ({ page }) => {
  const before = await stockOf(page.request, FLASK);
  await addToCart(page, FLASK, 2, "Buy now");
  await expect(page).toHaveURL("/checkout/now");
  await expectCartBadge(page, 0);
  expect(await stockOf(page.request, FLASK)).toBe(before - 2);
  await expect(page.getByRole("complementary", { name: "Your order" })).toContainText(
    `${FLASK.name} × 2`,
  );
});

test("a form with a forged price buys at the shop’s price", async ({ page }) => {
  await page.goto(`/products/${RADIO.slug}`);
  await nameOwnPrice(page, "form[action$='/cart/add']");
  await page.getByRole("button", { name: "Add to cart" }).click();
  await page.getByRole("button", { name: "Checkout" }).click();
  await expect(payButton(page)).toBeVisible();
  await nameOwnPrice(page, "form[action$='/checkout/pay']");
  await pay(page, guest());
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expect(totalRow(page)).toContainText(euros(delivered(RADIO.priceCents)));
});

async function nameOwnPrice(page: Page, form: string): Promise<void> {
  await page.locator(form).evaluate((element) => {
    for (const name of ["price", "price_cents", "unit_price", "amount", "total", "subtotal"]) {
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = name;
      field.value = "1";
      element.append(field);
    }
  });
}

test("two quick clicks on Pay place one order", async ({ page }) => {
  const before = await stockOf(page.request, BACKPACK);
  await goToCheckout(page, [BACKPACK, 1]);
  await fillIn(page, { ...guest(), ...card() });
  // In one script, so that the second click precedes the first response.
  await payButton(page).evaluate((button: HTMLButtonElement) => {
    button.click();
    button.click();
  });
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Thank you, Ada Lovelace");
  expect(await stockOf(page.request, BACKPACK)).toBe(before - 1);
});

test("a double click on Pay places one order", async ({ page }) => {
  const before = await stockOf(page.request, BACKPACK);
  await goToCheckout(page, [BACKPACK, 1]);
  await fillIn(page, { ...guest(), ...card() });
  await payButton(page).dblclick({ noWaitAfter: true });
  await expect(page).toHaveURL(ORDER_ADDRESS);
  expect(await stockOf(page.request, BACKPACK)).toBe(before - 1);
});

test("the same checkout form sent again, at once or later, leads to the same order", async ({
  page,
}) => {
  const before = await stockOf(page.request, BACKPACK);
  await goToCheckout(page, [BACKPACK, 1]);
  const form = { ...(await hiddenFields(page)), ...asFields(guest()) };
  const [first, second] = await Promise.all([
    sendCheckout(page.request, form),
    sendCheckout(page.request, form),
  ]);
  expect(first).toMatch(ORDER_ADDRESS);
  expect(second).toBe(first);
  expect(await sendCheckout(page.request, form)).toBe(first);
  expect(await stockOf(page.request, BACKPACK)).toBe(before - 1);
});

test("going back after ordering shows an empty cart, and the old form leads to the same order", async ({
  page,
}) => {
  await goToCheckout(page, [BACKPACK, 1]);
  const contact = guest();
  const form = { ...(await hiddenFields(page)), ...asFields(contact) };
  await pay(page, contact);
  await expect(page).toHaveURL(ORDER_ADDRESS);
  const order = new URL(page.url()).pathname;
  const after = await stockOf(page.request, BACKPACK);

  await page.goBack();
  await expect(page.getByRole("main")).toContainText(
    "Your cart is empty. Add a product to check out.",
  );
  await expect(payButton(page)).toHaveCount(0);

  // The request of a browser that still shows the old form.
  expect(await sendCheckout(page.request, form)).toBe(order);
  expect(await stockOf(page.request, BACKPACK)).toBe(after);
});

async function hiddenFields(page: Page): Promise<Record<string, string>> {
  const fields = await page
    .locator("form[action$='/checkout/pay'] input[type=hidden]")
    .evaluateAll((inputs) =>
      inputs.map((input) => [(input as HTMLInputElement).name, (input as HTMLInputElement).value]),
    );
  return Object.fromEntries(fields);
}

function asFields(contact: ReturnType<typeof guest>): Record<string, string> {
  return {
    name: contact["Full name"],
    email: contact["E-mail"],
    street: contact["Street and number"],
    postal_code: contact["Postal code"],
    city: contact.City,
    country: contact.Country,
    card_number: "4242424242424242",
    card_expiry: "12/30",
    card_cvc: "123",
  };
}

/** Sends the form as a browser does and returns the redirect address. */
async function sendCheckout(
  request: APIRequestContext,
  form: Record<string, string>,
): Promise<string | undefined> {
  const response = await request.post("/api/form/checkout/pay", {
    form,
    headers: { Accept: "text/html" },
    maxRedirects: 0,
  });
  expect(response.status()).toBe(302);
  return response.headers().location;
}

test.describe("an invalid quantity", () => {
  // A number field with text that is not a number.
  test.use({ expectedComplaint: /The specified value "abc" cannot be parsed/ });

  for (const typed of ["-7", "0", "1.5", "1001", "abc", ""]) {
    test(`product page and cart reject “${typed}” and keep the input`, async ({
      page,
    }) => {
      const before = await stockOf(page.request, POT);
      await page.goto(`/products/${POT.slug}`);
      await disableValidation(page.getByLabel("Quantity"));
      await addTyped(page, "Quantity", typed, "Add to cart");
      await expect(page).toHaveURL(`/products/${POT.slug}`);
      await expect(page.getByRole("alert")).toContainText(QUANTITY_SENTENCE);
      // Not the value: a number field has an empty value if its text is not a number.
      await expect(page.getByLabel("Quantity")).toHaveAttribute("value", typed);
      await expectCartBadge(page, 0);

      await addToCart(page, POT, 2);
      await expectCartBadge(page, 2);
      const label = `Quantity of ${POT.name}`;
      await disableValidation(page.getByLabel(label));
      await setQuantity(page, POT, typed);
      await expect(page.getByRole("alert")).toContainText(QUANTITY_SENTENCE);
      await expect(page.getByLabel(label)).toHaveAttribute("value", typed);
      await expectCartBadge(page, 2);
      expect(await stockOf(page.request, POT)).toBe(before);
    });
  }
});

async function addTyped(page: Page, label: string, typed: string, button: string): Promise<void> {
  await page.getByLabel(label).fill(typed);
  await page.getByRole("button", { name: button }).click();
}

test("the checkout marks each invalid field, keeps the input, and accepts it once corrected", { tag: "@phone" }, async ({
  page,
}) => {
  const before = await stockOf(page.request, KETTLE);
  await goToCheckout(page, [KETTLE, 1]);
  const typed = { ...guest(), "E-mail": "invalid", "Postal code": "12345", City: "" };
  await disableValidation(page.getByLabel("E-mail"));
  await fillIn(page, { ...typed, "Card number": "4242", Expires: "13/30", "Security code": "x" });
  await payButton(page).click();
  await expect(page).toHaveURL("/checkout");
  await expect(page.getByRole("alert")).toContainText("Correct the marked fields.");
  await expectFilledIn(page, typed);
  for (const [label, sentence] of [
    ["E-mail", "Enter an e-mail address, as in name@example.com."],
    ["City", "Fill this in."],
    ["Postal code", "This is not a postal code of United Kingdom. One looks like EC1Y 8SY."],
    ["Card number", "Enter the 12 to 19 digits of the card."],
    ["Expires", "Enter month and year, as in 12/30."],
    ["Security code", "Enter the 3 or 4 digits."],
  ] as const) {
    const field = page.getByLabel(label, { exact: true });
    await expect(field).toHaveAttribute("aria-invalid", "true");
    await expect(field).toHaveAccessibleDescription(new RegExp(`${sentence}$`));
  }
  await expect(page.getByLabel("Full name")).not.toHaveAttribute("aria-invalid");
  // The page is still the same, and so is what was typed of the card.
  await expectFilledIn(page, { "Card number": "4242", Expires: "13/30", "Security code": "x" });
  await expectCartBadge(page, 1);
  // Reserved, not sold.
  expect(await stockOf(page.request, KETTLE)).toBe(before - 1);
  await page.getByRole("alert").getByRole("link", { name: "Go to the first field" }).click();
  await expect(page.getByLabel("E-mail")).toBeInViewport();

  const right = { "E-mail": guest()["E-mail"], "Postal code": "SW1Y 4JH", City: "London" };
  await fillIn(page, { ...right, ...card() });
  await payButton(page).click();
  await expect(page).toHaveURL(ORDER_ADDRESS);
  expect(await stockOf(page.request, KETTLE)).toBe(before - 1);
});

test("the limit per customer applies to one order and across two orders", async ({
  page,
}) => {
  const sentence = `${CONTROLLER.name} is limited to 5 per customer.`;
  await page.goto(`/products/${CONTROLLER.slug}`);
  await expect(page.getByRole("main")).toContainText("5 is the limit per customer.");
  await disableValidation(page.getByLabel("Quantity"));
  await addTyped(page, "Quantity", "6", "Add to cart");
  await expect(page.getByRole("alert")).toContainText(sentence);
  await expect(page.getByLabel("Quantity")).toHaveValue("6");

  const contact = guest();
  await goToCheckout(page, [CONTROLLER, 5]);
  await pay(page, contact);
  await expect(page).toHaveURL(ORDER_ADDRESS);

  const before = await stockOf(page.request, CONTROLLER);
  await goToCheckout(page, [CONTROLLER, 1]);
  // The same customer, with a different spelling of the address.
  const again = { ...contact, "E-mail": contact["E-mail"].toUpperCase().replace("@", "+more@") };
  await pay(page, again);
  await expect(page.getByRole("alert")).toContainText(sentence);
  await expectFilledIn(page, again);
  await expectCartBadge(page, 1);
  // The one unit that the cart reserves.
  expect(await stockOf(page.request, CONTROLLER)).toBe(before - 1);
});

test("a cart that stock cannot cover reserves nothing and stays unchanged", async ({
  page,
}) => {
  const blocks = await stockOf(page.request, BLOCKS);
  await addToCart(page, BLOCKS, 1);
  await addToCart(page, CHESS, 5);
  await buyDownTo(page.request, CHESS, 3);
  await submitCheckoutForm(page);
  await expect(page.getByRole("alert")).toContainText(
    `Only 3 units of ${CHESS.name} are left.`,
  );
  await expect(page).toHaveURL("/cart");
  await expectCartBadge(page, 6);
  expect(await stockOf(page.request, CHESS)).toBe(3);
  expect(await stockOf(page.request, BLOCKS)).toBe(blocks);

  await expect(page.getByLabel(`Quantity of ${CHESS.name}`)).toHaveValue("5");
  await expect(cartLine(page, CHESS)).toContainText("Only 3 left. Change the quantity to continue.");
  await setQuantity(page, CHESS, 3);
  await page.getByRole("button", { name: "Checkout" }).click();
  await pay(page, guest());
  await expect(page).toHaveURL(ORDER_ADDRESS);
  expect(await stockOf(page.request, CHESS)).toBe(0);
});

test("an order of unreserved, sold-out items is rejected, and cart and form stay unchanged", async ({
  page,
}) => {
  const left = await stockOf(page.request, POT);
  await addToCart(page, POT, left);
  // Not through the button, which would reserve the items.
  await page.goto("/checkout");
  await expect(page.getByRole("main")).toContainText("Your items are not reserved");
  await buyDownTo(page.request, POT, left - 1);
  const contact = guest();
  await pay(page, contact);
  await expect(page.getByRole("alert")).toContainText(
    `Only ${left - 1} units of ${POT.name} are left.`,
  );
  await expect(page).toHaveURL("/checkout");
  await expectFilledIn(page, contact);
  await expectCartBadge(page, left);
  expect(await stockOf(page.request, POT)).toBe(left - 1);
});
