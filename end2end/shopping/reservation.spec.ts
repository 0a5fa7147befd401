import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { CHESS, SPEAKER, TENT, WATCH } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  ORDER_ADDRESS,
  RESERVED,
  addToCart,
  buyDownTo,
  card,
  cartLine,
  expectFilledIn,
  fillIn,
  goToCheckout,
  guest,
  hold,
  pay,
  payButton,
  stockOf,
  untilAwake,
} from "../fixtures/shopper";

test.describe("while it stands", () => {
  test.use({ ownShop: true });

  test("the checkout says until when it is reserved, counts down, and can be read by everybody", async ({
    page,
  }) => {
    await goToCheckout(page, [SPEAKER, 1]);
    await untilAwake(page);
    await expect(hold(page)).toContainText(RESERVED);
    const clock = page.getByRole("timer");
    await expect(clock).toHaveText(/^(10:00|9:\d\d)$/);
    const first = await clock.textContent();
    await expect(clock).not.toHaveText(first!);
    await expect(hold(page).getByRole("progressbar", { name: "Time left" })).toBeVisible();
    await expect(page.getByRole("button", { name: "Reserve again" })).toBeHidden();
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);

    await page.goto("/cart");
    await untilAwake(page);
    await expect(hold(page)).toContainText(RESERVED);
    await expect(page.getByRole("timer")).toBeVisible();
    await expect(page.getByRole("main")).toContainText("the reservation with it.");
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);
  });

  test("it can be kept longer once, with all that was typed", async ({ page }) => {
    await goToCheckout(page, [SPEAKER, 1]);
    await untilAwake(page);
    const contact = guest();
    await fillIn(page, contact);
    // Later than when it was made, so that the new end is another one.
    await expect(page.getByRole("timer")).toHaveText(/^9:([0-4]\d|5[0-8])$/);
    const end = await hold(page).getByText(RESERVED).textContent();
    await page.getByRole("button", { name: "Keep it longer" }).click();
    await expect(hold(page)).toContainText("Kept longer once");
    await expect(page).toHaveURL("/checkout");
    await expect(hold(page)).toContainText(RESERVED);
    await expect(hold(page)).not.toContainText(end!);
    await expectFilledIn(page, contact);
    await untilAwake(page);
    await expect(page.getByRole("button", { name: "Keep it longer" })).toBeHidden();
    await expectAccessible(page);

    // What a browser sends that has kept the old page.
    const again = await page.request.post("/api/form/checkout/change", {
      form: { act: "extend", cart_id: await page.locator("input[name=cart_id]").inputValue() },
      headers: { Accept: "application/json" },
    });
    expect(again.status()).toBe(409);
    expect((await again.json()).detail).toBe(
      "A reservation can be extended once, and this one was.",
    );
  });

  test("it follows the cart, for everybody to see", async ({ page, anotherBrowser }) => {
    const before = await stockOf(page.request, TENT);
    const watcher = await anotherBrowser();
    await watcher.goto(`/products/${TENT.slug}`);
    await untilAwake(watcher);
    const left = watcher.getByRole("region", { name: "Buy" }).getByRole("status");
    const expectTaken = (units: number) =>
      // Of how many in all, another test may have changed by a stock-take.
      expect(left).toHaveText(new RegExp(`\\b${before - units} of \\d+ left`));
    const change = async (units: number) => {
      await page.goto("/cart");
      await page.getByLabel(`Quantity of ${TENT.name}`).fill(`${units}`);
      await page.getByRole("button", { name: `Update ${TENT.name}` }).click();
    };
    await expectTaken(0);
    await goToCheckout(page, [TENT, 2]);
    await expectTaken(2);
    await change(5);
    await expectTaken(5);
    await change(1);
    await expectTaken(1);
    await page.goto("/checkout");
    await expect(page.getByRole("complementary", { name: "Your order" })).toContainText(
      `${TENT.name} × 1`,
    );
    // What is added later is set aside too.
    await addToCart(page, TENT, 3);
    await expectTaken(4);
    await page.getByRole("button", { name: `Remove ${TENT.name}` }).click();
    await expectTaken(0);
  });

  test("nobody is blocked by their own reservation, be it of the last units", async ({
    page,
    anotherBrowser,
  }) => {
    await buyDownTo(page.request, WATCH, 4);
    await goToCheckout(page, [WATCH, 4]);
    const other = await anotherBrowser();
    await other.goto(`/products/${WATCH.slug}`);
    await expect(other.getByRole("button", { name: "Sold out" })).toBeDisabled();

    await page.goto("/cart");
    await untilAwake(page);
    await expect(cartLine(page, WATCH).getByRole("status")).toBeHidden();
    await expect(page.getByRole("button", { name: "Checkout" })).toBeEnabled();
    await page.getByLabel(`Quantity of ${WATCH.name}`).fill("3");
    await page.getByRole("button", { name: `Update ${WATCH.name}` }).click();
    await page.getByLabel(`Quantity of ${WATCH.name}`).fill("4");
    await page.getByRole("button", { name: `Update ${WATCH.name}` }).click();
    await expect(cartLine(page, WATCH).getByRole("status")).toBeHidden();
    await page.getByRole("button", { name: "Checkout" }).click();
    await pay(page, guest());
    await expect(page).toHaveURL(ORDER_ADDRESS);
    expect(await stockOf(page.request, WATCH)).toBe(0);
  });
});

test.describe("when it runs out", () => {
  test.use({ freshShop: true, settings: { HOLD_TTL_S: "12" } });

  test("the page warns and then says so, another shopper can buy, and what was typed is reserved again", async ({
    page,
    anotherBrowser,
  }) => {
    const other = await anotherBrowser();
    await other.goto(`/products/${CHESS.slug}`);
    await untilAwake(other);
    const left = other.getByRole("region", { name: "Buy" }).getByRole("status");

    await goToCheckout(page, [CHESS, 3]);
    await untilAwake(page);
    const status = hold(page).getByRole("status");
    await expect(status).toHaveText("Less than a minute is left.");
    await expect(left).toContainText("2 of 5 left");
    const contact = guest();
    await fillIn(page, { ...contact, ...card() });

    await expect(hold(page)).toContainText("Your reservation has run out", { timeout: 20_000 });
    await expect(status).toContainText("What you typed is still here.");
    await expect(page.getByRole("timer")).toBeHidden();
    await expect(page.getByRole("button", { name: "Keep it longer" })).toBeHidden();
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);

    // The shelf has them again, and somebody else takes two.
    await expect(left).toContainText("5 of 5 left");
    await addToCart(other, CHESS, 2);
    await other.getByRole("button", { name: "Checkout" }).click();
    await pay(other, guest());
    await expect(other).toHaveURL(ORDER_ADDRESS);
    expect(await stockOf(page.request, CHESS)).toBe(3);

    await page.getByRole("button", { name: "Reserve again" }).click();
    await expect(hold(page)).toContainText(RESERVED);
    await expectFilledIn(page, contact);
    await fillIn(page, card());
    await payButton(page).click();
    await expect(page).toHaveURL(ORDER_ADDRESS);
    expect(await stockOf(page.request, CHESS)).toBe(0);
  });

  test("cart and checkout that are opened later say what went back, and what is gone is refused", async ({
    page,
  }) => {
    await goToCheckout(page, [CHESS, 5]);
    await fillIn(page, guest());
    await expect.poll(() => stockOf(page.request, CHESS), { timeout: 20_000 }).toBe(5);
    await page.goto("/cart");
    const notice = page.getByText("Your reservation has run out");
    await expect(notice).toBeVisible();
    await expect(page.getByRole("main")).toContainText(`5 × ${CHESS.name}`);
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);

    await page.goto("/checkout");
    await expect(hold(page)).toContainText("Your reservation has run out");
    await expect(hold(page)).toContainText(`5 × ${CHESS.name} went back to the shelf.`);
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);
    const contact = guest();
    await fillIn(page, contact);
    await buyDownTo(page.request, CHESS, 1);
    await page.getByRole("button", { name: "Reserve again" }).click();
    await expect(page.getByRole("alert")).toContainText(
      `Insufficient stock for ${CHESS.name} (available: 1, requested: 5)`,
    );
    await expectFilledIn(page, contact);
    await expectAccessible(page);
  });
});
