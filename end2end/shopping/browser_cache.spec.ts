import { type Browser, type BrowserContext, type Page, chromium } from "@playwright/test";

import { fullChromium } from "../fixtures/chromium";
import { BACKPACK, FLASK, KETTLE, RADIO } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  ORDER_ADDRESS,
  addToCart,
  card,
  cartLine,
  expectCartBadge,
  fillIn,
  goToCheckout,
  guest,
  pay,
  payButton,
} from "../fixtures/shopper";

test.use({ ownShop: true });

// Pages that the browser keeps in its memory and shows again after Back. Playwright switches that
// memory off.
let browser: Browser;
let context: BrowserContext;
let page: Page;

test.beforeEach(async ({ shop, address }) => {
  browser = await chromium.launch({
    executablePath: fullChromium(),
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
    args: [
      "--enable-features=CacheControlNoStoreEnterBackForwardCache",
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
    ],
  });
  context = await browser.newContext({
    baseURL: shop.url,
    extraHTTPHeaders: { "X-Forwarded-For": address },
  });
  await context.addInitScript(() => {
    addEventListener("pageshow", ({ persisted }) => {
      if (persisted) {
        sessionStorage.setItem("came-back", location.pathname);
      }
    });
  });
  page = await context.newPage();
});

test.afterEach(async () => {
  await browser.close();
});

/** Goes back, and waits until the page at `path` has been loaded again. */
async function goBack(path: string): Promise<void> {
  await page.evaluate(() => {
    sessionStorage.removeItem("came-back");
    history.back();
  });
  await expect(page).toHaveURL(path);
  await page.waitForLoadState("load");
}

/** Expects that the page came from the browser's memory: otherwise a test would test nothing. */
async function expectCameFromMemory(path: string): Promise<void> {
  await expect.poll(() => page.evaluate(() => sessionStorage.getItem("came-back"))).toBe(path);
}

test("after adding and Back, the second add works", async () => {
  // The first add sets the session's cookie, which removes pages from the browser's memory.
  await addToCart(page, RADIO);
  const product = `/products/${FLASK.slug}`;
  await addToCart(page, FLASK);
  await expectCartBadge(page, 2);
  await goBack(product);
  await expectCameFromMemory(product);
  await expectCartBadge(page, 2);
  await page.getByRole("button", { name: "Add to cart" }).click();
  await expect(page).toHaveURL("/cart");
  await expectCartBadge(page, 3);
  await expect(page.getByRole("alert")).toHaveCount(0);
});

test("after paying and Back, the paid checkout and its card are gone", async () => {
  await goToCheckout(page, [BACKPACK, 1]);
  await pay(page, guest());
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await goBack("/checkout");
  await expect(page.getByRole("main")).toContainText("Your cart is empty.");
  await expect(payButton(page)).toHaveCount(0);
  await expect(page.getByLabel("Card number")).toHaveCount(0);
});

test("Back to a checkout that was left keeps what was typed, but not the card", async () => {
  await goToCheckout(page, [KETTLE, 1]);
  const contact = guest();
  await fillIn(page, { ...contact, ...card() });
  const key = await page.locator("form.checkout input[name=idempotency_key]").inputValue();
  await page.getByRole("link", { name: "Doorbuster" }).first().click();
  await expect(page).toHaveURL("/");
  await goBack("/checkout");
  await expectCameFromMemory("/checkout");
  await expect(page.getByLabel("Full name")).toHaveValue(contact["Full name"]);
  await expect(page.getByLabel("City")).toHaveValue(contact.City);
  await expect(page.getByLabel("Card number")).toHaveValue("");
  await expect(page.locator("form.checkout input[name=idempotency_key]")).not.toHaveValue(key);
  await pay(page, contact);
  await expect(page).toHaveURL(ORDER_ADDRESS);
});

test("Back to a page without islands loads it again too", async () => {
  await addToCart(page, RADIO);
  await page.goto("/orders/find");
  await page.getByLabel("Order number").fill("DB-000042");
  await page.getByRole("link", { name: "Doorbuster" }).first().click();
  await expect(page).toHaveURL("/");
  await goBack("/orders/find");
  await expectCameFromMemory("/orders/find");
  await expect(page.getByLabel("Order number")).toHaveValue("DB-000042");
});

test("a changed cart is shown after Back", async () => {
  await addToCart(page, RADIO);
  await addToCart(page, FLASK);
  await page.getByRole("link", { name: FLASK.name }).first().click();
  await expect(page).toHaveURL(`/products/${FLASK.slug}`);
  // In another window.
  const other = await context.newPage();
  await other.goto("/cart");
  await other.getByRole("button", { name: `Remove ${RADIO.name}` }).click();
  await expectCartBadge(other, 1);
  await goBack("/cart");
  await expectCartBadge(page, 1);
  await expect(cartLine(page, RADIO)).toHaveCount(0);
});
