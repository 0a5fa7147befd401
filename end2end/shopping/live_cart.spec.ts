import { expectAccessible } from "../fixtures/accessibility";
import { CHESS, KETTLE, LAMP, POT, VACUUM, euros } from "../fixtures/catalogue";
import { PATIENCE_MS, planSoon } from "../fixtures/sales";
import { expect, test } from "../fixtures/shop";
import {
  addToCart,
  buyDownTo,
  cartLine,
  goToCheckout,
  payButton,
  waitForIslands,
} from "../fixtures/shopper";

import type { Page, Route } from "@playwright/test";

const HOUR_MS = 3_600_000;

/** Notes that the page is this one, and not one that was loaded since. */
async function markPage(page: Page): Promise<void> {
  await page.evaluate(() => ((window as { samePage?: boolean }).samePage = true));
}

async function expectSamePage(page: Page): Promise<void> {
  expect(await page.evaluate(() => (window as { samePage?: boolean }).samePage)).toBe(true);
}

function subtotal(page: Page) {
  return page.getByRole("complementary", { name: "Order summary" }).locator(".summary__total .num");
}

test.describe("in a shop of its own", () => {
  test.use({ ownShop: true });

  test("an open cart follows the end of a sale, and its total is right", { tag: "@phone" }, async ({
    page,
    sales,
  }) => {
    await addToCart(page, LAMP, 2);
    await addToCart(page, POT);
    await planSoon(
      (end) => sales.plan(POT, end - HOUR_MS, end),
      async () => {
        await page.goto("/cart");
        await waitForIslands(page);
      },
    );
    await expect(subtotal(page)).toHaveText(euros(2 * LAMP.priceCents + POT.priceCents));
    await markPage(page);
    const remove = page.getByRole("button", { name: `Remove ${LAMP.name}` });
    await remove.focus();
    const note = cartLine(page, POT).getByRole("status");
    await expect(note).toHaveText("This sale has ended. It is not in the total. You can remove it.", {
      timeout: PATIENCE_MS,
    });
    await expect(subtotal(page)).toHaveText(euros(2 * LAMP.priceCents));
    await expect(page.getByText("A sale has changed. The subtotal is up to date.")).toBeVisible();
    await expect(cartLine(page, POT).getByRole("spinbutton")).toHaveCount(0);
    await expect(remove).toBeFocused();
    await expectAccessible(page);
    await expectSamePage(page);

    // The islands of the new lines follow the next change.
    await sales.open(POT);
    await expect(note).toBeHidden();
    await expect(subtotal(page)).toHaveText(euros(2 * LAMP.priceCents + POT.priceCents));
    await expectSamePage(page);
    await page.getByRole("button", { name: "Checkout" }).click();
    await expect(payButton(page)).toHaveText(`Pay ${euros(2 * LAMP.priceCents + POT.priceCents)}`);
  });

  test("an open cart follows the start of a sale", async ({ page, sales }) => {
    await addToCart(page, KETTLE);
    await planSoon(
      (start) => sales.plan(KETTLE, start),
      async () => {
        await page.goto("/cart");
        await waitForIslands(page);
      },
    );
    await expect(cartLine(page, KETTLE)).toContainText("On sale from");
    await expect(page.getByRole("button", { name: "Checkout" })).toBeDisabled();
    await markPage(page);
    await expect(page.getByRole("button", { name: "Checkout" })).toBeEnabled({ timeout: PATIENCE_MS });
    await expect(subtotal(page)).toHaveText(euros(KETTLE.priceCents));
    await expectSamePage(page);
  });

  test("a quantity that is being typed survives the change", async ({ page, sales }) => {
    await addToCart(page, LAMP, 2);
    await addToCart(page, POT);
    await page.goto("/cart");
    await waitForIslands(page);
    await page.evaluate(() => {
      const changes: EventTarget[] = [];
      addEventListener("change", ({ target }) => changes.push(target!));
      Object.assign(window, { changedFields: changes });
    });
    const changedFields = () =>
      page.evaluate(
        () =>
          (window as unknown as { changedFields: HTMLElement[] }).changedFields.filter(
            (field) => field.isConnected,
          ).length,
      );
    const field = page.getByLabel(`Quantity of ${LAMP.name}`);
    await field.press("ControlOrMeta+a");
    await page.keyboard.type("1");
    await sales.end(POT);
    await expect(subtotal(page)).toHaveText(euros(2 * LAMP.priceCents));
    await expect(field).toBeFocused();
    await expect(field).toHaveValue("1");
    // A quantity that is half typed is not sent.
    expect(await changedFields()).toBe(0);
    await page.keyboard.type("2");
    await page.keyboard.press("Tab");
    await expect(subtotal(page)).toHaveText(euros(12 * LAMP.priceCents));
  });
});

test.describe("with other prices", () => {
  test.use({ freshShop: true });

  test("a new price is shown with the old one, and says so where the item is reserved", async ({
    page,
    sales,
  }) => {
    await goToCheckout(page, [VACUUM, 1]);
    await page.goto("/cart");
    await waitForIslands(page);
    await markPage(page);
    await expect(subtotal(page)).toHaveText(euros(VACUUM.priceCents));
    const clock = page.getByRole("timer");
    await expect(clock).toBeVisible();
    await sales.plan(VACUUM, Date.now() - HOUR_MS, Date.now() + HOUR_MS, { priceCents: 19_900 });
    await expect(subtotal(page)).toHaveText("€199.00");
    const line = cartLine(page, VACUUM);
    await expect(line).toContainText("€199.00 each");
    await expect(line).toContainText(`It was ${euros(VACUUM.priceCents)} each when you opened this page.`);
    await expect(page.getByText("A price has changed since you reserved")).toBeVisible();
    await expect(page.getByText("A sale has changed. The subtotal is up to date.")).toBeVisible();
    await expectSamePage(page);
    // The clock of the reservation still runs.
    const before = await clock.textContent();
    await expect(clock).not.toHaveText(before!);

    await sales.plan(VACUUM, Date.now() - HOUR_MS, Date.now() + HOUR_MS, {
      priceCents: VACUUM.priceCents,
    });
    await expect(subtotal(page)).toHaveText(euros(VACUUM.priceCents));
    await expect(line).not.toContainText("when you opened this page");
    await page.getByRole("button", { name: "Checkout" }).click();
    await expect(payButton(page)).toHaveText(`Pay ${euros(VACUUM.priceCents)}`);
  });

  test("the focus stays on the button that had it, or goes to the content", async ({ page, sales }) => {
    await addToCart(page, LAMP);
    await page.goto("/cart");
    await waitForIslands(page);
    const more = page.getByRole("button", { name: "One more" });
    await more.focus();
    await sales.plan(LAMP, Date.now() - HOUR_MS, Date.now() + HOUR_MS, { priceCents: 19_900 });
    await expect(subtotal(page)).toHaveText("€199.00");
    await expect(more).toBeFocused();

    const checkout = page.getByRole("button", { name: "Checkout" });
    await checkout.focus();
    await sales.end(LAMP);
    await expect(checkout).toBeDisabled();
    await expect(page.getByRole("main")).toBeFocused();
  });

  test("a change during a request is followed by another request", async ({ page, sales }) => {
    await addToCart(page, LAMP);
    await page.goto("/cart");
    await waitForIslands(page);
    const plan = (priceCents: number) =>
      sales.plan(LAMP, Date.now() - HOUR_MS, Date.now() + HOUR_MS, { priceCents });
    const requests: Route[] = [];
    await page.route("**/cart", (route) => void requests.push(route));
    await plan(19_900);
    await expect.poll(() => requests.length).toBe(1);
    const early = await requests[0]!.fetch();
    await plan(18_900);
    await expect(cartLine(page, LAMP).locator("[data-terms*='189.00']")).toHaveCount(1);
    await requests[0]!.fulfill({ response: early });
    await expect(subtotal(page)).toHaveText("€199.00");
    await expect.poll(() => requests.length, { timeout: PATIENCE_MS }).toBe(2);
    await requests[1]!.continue();
    await expect(subtotal(page)).toHaveText("€189.00");
  });

  test("a cart that arrives later than the stock of the stream does not offer a checkout", async ({
    page,
    request,
    sales,
  }) => {
    await addToCart(page, CHESS, 2);
    await addToCart(page, LAMP);
    await page.goto("/cart");
    await waitForIslands(page);
    const requests: Route[] = [];
    await page.route("**/cart", (route) => void requests.push(route));
    await sales.end(LAMP);
    await expect.poll(() => requests.length).toBe(1);
    const early = await requests[0]!.fetch();
    await buyDownTo(request, CHESS, 1);
    await expect(cartLine(page, CHESS)).toContainText("Only 1 left.");
    await requests[0]!.fulfill({ response: early });
    await expect(subtotal(page)).toHaveText(euros(2 * CHESS.priceCents));
    await expect(page.getByRole("button", { name: "Checkout" })).toBeDisabled();
  });

  test("a limit that a line exceeds blocks the checkout", async ({ page, sales }) => {
    await addToCart(page, LAMP, 3);
    await page.goto("/cart");
    await waitForIslands(page);
    const checkout = page.getByRole("button", { name: "Checkout" });
    await expect(checkout).toBeEnabled();
    await sales.plan(LAMP, Date.now() - HOUR_MS, Date.now() + HOUR_MS, { limit: 2 });
    await expect(cartLine(page, LAMP)).toContainText(
      "2 is the limit per customer. Change the quantity to continue.",
    );
    await expect(checkout).toBeDisabled();
  });

  test.describe("when the shop cannot be reached", () => {
    test.use({ expectedComplaint: /ERR_FAILED|ERR_INTERNET_DISCONNECTED/ });

    test("the cart says that its subtotal is out of date", async ({ page, sales }) => {
      await addToCart(page, LAMP);
      await addToCart(page, POT);
      await page.goto("/cart");
      await waitForIslands(page);
      await page.route("**/cart", (route) => route.abort("internetdisconnected"));
      await sales.end(POT);
      const news = page.getByText("Reload the page to see the new subtotal.");
      await expect(news).toBeVisible();
      await page.unroute("**/cart");
      // It tries again by itself.
      await expect(news).toBeHidden({ timeout: 30_000 });
      await expect(subtotal(page)).toHaveText(euros(LAMP.priceCents));
    });
  });
});
