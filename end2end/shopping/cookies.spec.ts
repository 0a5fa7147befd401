import type { Page } from "@playwright/test";

import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { CHESS, FLASK, KETTLE } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  ORDER_ADDRESS,
  addToCart,
  card,
  cartLine,
  fillIn,
  goToCheckout,
  guest,
  pay,
  payButton,
  stockOf,
} from "../fixtures/shopper";

test.use({ ownShop: true });

/** The browser sends no cookie with any request. */
async function blockCookies(page: Page): Promise<void> {
  await page.route("**/*", async (route) => {
    await page.context().clearCookies();
    await route.continue();
  });
}

test("a browser that blocks cookies is informed, and nothing is held", { tag: "@phone" }, async ({
  page,
}) => {
  await blockCookies(page);
  const before = await stockOf(page.request, CHESS);
  for (const button of ["Buy now", "Add to cart"]) {
    await addToCart(page, CHESS, 1, button);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Your browser blocks cookies");
    expect(await stockOf(page.request, CHESS)).toBe(before);
  }
  await expectAccessible(page);
  await expectNoSidewaysScroll(page);
  // The shopper allows cookies, and goes back.
  await page.unroute("**/*");
  await page.getByRole("link", { name: "Back to the page" }).click();
  await expect(page).toHaveURL(`/products/${CHESS.slug}`);
  await page.getByRole("button", { name: "Add to cart" }).click();
  await expect(cartLine(page, CHESS)).toBeVisible();
});

test("the sign-in says that cookies are blocked", async ({ page, adminPassword }) => {
  await blockCookies(page);
  await page.goto("/admin");
  await expect(page).toHaveURL("/admin/login");
  await page.getByLabel("Password").fill(adminPassword);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Your browser blocks cookies");
});

test("paying after the session has ended says so, and the next checkout is filled in", async ({
  page,
  context,
}) => {
  await goToCheckout(page, [FLASK, 1]);
  const contact = guest();
  await fillIn(page, { ...contact, ...card() });
  await context.clearCookies();
  await payButton(page).click();
  await expect(page.getByRole("alert")).toContainText("Your session has ended");
  await expectAccessible(page);
  await goToCheckout(page, [KETTLE, 1]);
  await expect(page.getByLabel("Full name")).toHaveValue(contact["Full name"]);
  await expect(page.getByLabel("Card number")).toHaveValue("");
  await pay(page, contact);
  await expect(page).toHaveURL(ORDER_ADDRESS);
});

test("an admin form after the end of the session is kept until the sign-in", async ({
  page,
  context,
  adminPassword,
}) => {
  const signIn = async () => {
    await page.getByLabel("Password").fill(adminPassword);
    await page.getByRole("button", { name: "Sign in" }).click();
  };
  await page.goto("/admin/stock");
  await signIn();
  await expect(page).toHaveURL("/admin/stock");
  await page.getByLabel("Units counted").fill("17");
  await page.getByLabel("Reason").fill("Counted twice");
  await context.clearCookies();
  await page.getByRole("button", { name: "Adjust" }).click();
  await expect(page).toHaveURL("/admin/login");
  await expect(page.getByRole("main")).toContainText("what you typed is kept");
  await signIn();
  await expect(page).toHaveURL("/admin/stock");
  await expect(page.getByRole("alert")).toContainText("nothing was changed");
  await expect(page.getByLabel("Units counted")).toHaveValue("17");
  await expect(page.getByLabel("Reason")).toHaveValue("Counted twice");
});
