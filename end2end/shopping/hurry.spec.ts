import type { Locator, Page, TestInfo } from "@playwright/test";

import { createCode, signIn } from "../fixtures/administrator";
import { BLOCKS, FLASK, KETTLE, LAMP, SPEAKER, euros } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  CARDS,
  type Guest,
  ORDER_ADDRESS,
  addToCart,
  card,
  expectCartBadge,
  expectFilledIn,
  fillIn,
  goToCheckout,
  guest,
  hold,
  orderStatus,
  pay,
  payButton,
  setQuantity,
  stockOf,
  totalRow,
  waitForIslands,
} from "../fixtures/shopper";

test.use({ ownShop: true });

/** A shopper whose taps and keys are counted. */
class Hurry {
  private taps = 0;
  private keys = 0;

  constructor(
    private readonly page: Page,
    private readonly isTouch: boolean,
  ) {}

  async tap(target: Locator): Promise<void> {
    this.taps += 1;
    await (this.isTouch ? target.tap() : target.click());
  }

  async type(label: string, text: string): Promise<void> {
    const field = this.page.getByLabel(label, { exact: true });
    await this.tap(field);
    this.keys += text.length;
    await field.pressSequentially(text);
  }

  /** Fills in fields as a browser does from its profile: without keys, after one tap. */
  async autofill(contact: Guest, number: string, expiry: string): Promise<void> {
    await this.tap(this.page.getByLabel("Full name"));
    const byToken = {
      name: contact["Full name"],
      email: contact["E-mail"],
      "street-address": contact["Street and number"],
      "postal-code": contact["Postal code"],
      "address-level2": contact.City,
      country: "GB",
      "cc-number": number,
      "cc-exp": expiry,
      "cc-csc": "123",
    };
    for (const [token, value] of Object.entries(byToken)) {
      await this.page.locator(`[autocomplete="${token}"]`).evaluate((field, filled) => {
        (field as HTMLInputElement | HTMLSelectElement).value = filled;
        field.dispatchEvent(new Event("input", { bubbles: true }));
        field.dispatchEvent(new Event("change", { bubbles: true }));
      }, value);
    }
  }

  async report(testInfo: TestInfo, what: string): Promise<void> {
    const body = `${what}: ${this.taps} taps, ${this.keys} keys`;
    console.log(body);
    await testInfo.attach("taps and keys", { body });
  }
}

test("a purchase with autofill takes three taps", { tag: "@phone" }, async ({ page, hasTouch }, testInfo) => {
  const hurry = new Hurry(page, hasTouch === true);
  await page.goto(`/products/${FLASK.slug}`);
  await hurry.tap(page.getByRole("button", { name: "Buy now" }));
  await expect(page).toHaveURL("/checkout/now");
  // The browser fills in each field, and writes the year in full.
  await hurry.autofill(guest(), CARDS.good, "12/2030");
  await hurry.tap(payButton(page));
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expect(orderStatus(page)).toHaveText("Paid");
  await hurry.report(testInfo, "Purchase with autofill");
});

test("a purchase by hand, with a code applied on the way", { tag: "@phone" }, async ({
  page,
  hasTouch,
  anotherBrowser,
  adminPassword,
}, testInfo) => {
  const admin = await anotherBrowser();
  await signIn(admin.request, adminPassword);
  await createCode(admin.request, { code: "HURRY10", kind: "percent", value: "10" });
  const hurry = new Hurry(page, hasTouch === true);
  await page.goto(`/products/${LAMP.slug}`);
  await hurry.tap(page.getByRole("button", { name: "Buy now" }));
  await expect(page).toHaveURL("/checkout/now");
  const { Country, ...contact } = guest();
  for (const [label, text] of Object.entries(contact)) {
    await hurry.type(label, text);
  }
  await page.getByLabel("Country", { exact: true }).selectOption({ label: Country });
  await hurry.type("Card number", "4242424242424242");
  await hurry.type("Expires", "1230");
  await hurry.type("Security code", "123");
  // The code comes last, in quotes from a newsletter, and takes nothing away.
  await page.evaluate(() => ((window as { samePage?: boolean }).samePage = true));
  await page.getByLabel("Discount code").fill("„hurry10“\u200b");
  await page.getByLabel("Discount code").press("Enter");
  await expect(payButton(page)).toHaveText(`Pay ${euros(LAMP.priceCents * 0.9)}`);
  expect(await page.evaluate(() => (window as { samePage?: boolean }).samePage)).toBe(true);
  await expect(page.getByLabel("Discount code")).toHaveValue("HURRY10");
  await expectFilledIn(page, {
    ...guest(),
    "E-mail": contact["E-mail"],
    "Card number": "4242424242424242",
    Expires: "1230",
    "Security code": "123",
  });
  await hurry.tap(payButton(page));
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expect(totalRow(page).getByRole("cell")).toHaveText(euros(LAMP.priceCents * 0.9));
  await hurry.report(testInfo, "Purchase by hand, with a code");
});

test("a declined card empties nothing, and another number pays", { tag: "@phone" }, async ({ page, hasTouch }, testInfo) => {
  const hurry = new Hurry(page, hasTouch === true);
  await goToCheckout(page, [SPEAKER, 1]);
  await waitForIslands(page);
  const contact = guest();
  await pay(page, contact, CARDS.declined);
  await expect(page.getByRole("alert")).toContainText("The card was declined. Nothing was charged.");
  await expectFilledIn(page, { ...contact, ...card(CARDS.declined) });
  await expect(page.getByLabel("Card number")).toBeFocused();
  // The clock of the reservation still runs.
  const clock = page.getByRole("timer");
  const before = await clock.textContent();
  await expect(clock).not.toHaveText(before!);
  // The number is selected: typing replaces it.
  await page.keyboard.type("4242424242424242");
  await hurry.tap(payButton(page));
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await hurry.report(testInfo, "After a declined card");
});

for (const expiry of ["1230", "12/2030", "12 / 30", "12-30", "2030-12", "１２／３０"]) {
  test(`an expiry typed as ${expiry} is taken`, { tag: "@phone" }, async ({ page }) => {
    await addToCart(page, FLASK, 1, "Buy now");
    await fillIn(page, { ...guest(), ...card(), Expires: expiry });
    await payButton(page).click();
    await expect(page).toHaveURL(ORDER_ADDRESS);
  });
}

test("Buy now buys one product alone, and the cart waits", async ({ page }) => {
  await addToCart(page, KETTLE, 2);
  await expectCartBadge(page, 2);
  await addToCart(page, BLOCKS, 1, "Buy now");
  const order = page.getByRole("complementary", { name: "Your order" });
  await expect(order).toContainText(BLOCKS.name);
  await expect(order).not.toContainText(KETTLE.name);
  await expectCartBadge(page, 2);
  await pay(page, guest());
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expectCartBadge(page, 2);
});

test.describe("without a connection", () => {
  test.use({ expectedComplaint: /ERR_INTERNET_DISCONNECTED/ });

  test("the shop out of reach is said, and nothing is lost", async ({ page, context }) => {
    await addToCart(page, FLASK, 1, "Buy now");
    const typed = { ...guest(), ...card() };
    await fillIn(page, typed);
    await page.route("**/api/form/checkout/pay", (route) => route.abort("internetdisconnected"));
    await payButton(page).click();
    await expect(page.getByRole("alert")).toContainText("may or may not have been charged");
    await expect(page.getByRole("alert")).toContainText("you won’t be charged twice");
    await expectFilledIn(page, typed);
    await page.unroute("**/api/form/checkout/pay");
    await payButton(page).click();
    await expect(page).toHaveURL(ORDER_ADDRESS);
    expect(context.pages()).toHaveLength(1);
  });
});

test("a country says whether there is a postal code, and nothing moves", { tag: "@phone" }, async ({ page }) => {
  await addToCart(page, FLASK, 1, "Buy now");
  const code = page.getByLabel("Postal code");
  const city = page.getByLabel("City");
  const place = await city.boundingBox();
  await page.getByLabel("Country", { exact: true }).selectOption({ label: "Hong Kong" });
  await expect(code).toBeHidden();
  expect(await city.boundingBox()).toEqual(place);
  const { Country, "Postal code": _, ...rest } = guest();
  expect(Country).toBe("United Kingdom");
  await fillIn(page, { ...rest, ...card() });
  await payButton(page).click();
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expect(page.getByRole("region", { name: "Delivery address" })).toContainText("Hong Kong");
});

test("the clock of the reservation stays in view and covers no field", { tag: "@phone" }, async ({ page }) => {
  await addToCart(page, FLASK, 1, "Buy now");
  await waitForIslands(page);
  for (const label of ["Full name", "City", "Card number", "Security code"]) {
    const field = page.getByLabel(label, { exact: true });
    await field.focus();
    await field.scrollIntoViewIfNeeded();
    await expect(hold(page)).toBeInViewport();
    const [bar, box] = [await hold(page).boundingBox(), await field.boundingBox()];
    expect(box!.y, label).toBeGreaterThanOrEqual(bar!.y + bar!.height - 1);
  }
});

test("a quantity is stepped between its bounds", { tag: "@phone" }, async ({ page }) => {
  await addToCart(page, KETTLE, 2);
  const field = page.getByLabel(`Quantity of ${KETTLE.name}`);
  const more = page.getByRole("button", { name: "One more" });
  const less = page.getByRole("button", { name: "One less" });
  for (const button of [more, less]) {
    const box = await button.boundingBox();
    expect(Math.min(box!.width, box!.height)).toBeGreaterThanOrEqual(44);
  }
  await more.click();
  await more.click();
  await expect(field).toHaveValue("4");
  // The cart follows by itself.
  await expectCartBadge(page, 4);
  await setQuantity(page, KETTLE, 1);
  await expectCartBadge(page, 1);
  await expect(less).toHaveAttribute("aria-disabled", "true");
  await less.click({ force: true });
  await expect(field).toHaveValue("1");
});

test("what is in the cart already is part of the answer", async ({ page }) => {
  const left = await stockOf(page.request, BLOCKS);
  await addToCart(page, BLOCKS, 1);
  await expectCartBadge(page, 1);
  await page.goto(`/products/${BLOCKS.slug}`);
  await expect(page.getByLabel("Quantity")).toHaveAttribute("max", `${left - 1}`);
  await page.locator("form[action$='/cart/add']").evaluate((form: HTMLFormElement) => (form.noValidate = true));
  await page.getByLabel("Quantity").fill(`${left}`);
  await page.getByRole("button", { name: "Add to cart" }).click();
  await expect(page.getByRole("alert")).toContainText(
    `Only ${left} left, and 1 is in your cart: you can add ${left - 1} more.`,
  );
});

test.describe("in Tokyo", () => {
  test.use({ timezoneId: "Asia/Tokyo" });

  test("times are the visitor’s own, and name their zone", async ({ page }) => {
    await addToCart(page, FLASK, 1, "Buy now");
    await expect(hold(page)).toContainText(/Reserved until \d\d:\d\d:\d\d GMT\+9/);
    await waitForIslands(page);
    await expect(hold(page)).toContainText(/Reserved until \d\d:\d\d:\d\d GMT\+9/);
    await pay(page, guest());
    await expect(page).toHaveURL(ORDER_ADDRESS);
    await expect(page.getByRole("main")).toContainText(/\d{4}-\d\d-\d\d \d\d:\d\d GMT\+9/);
  });
});
