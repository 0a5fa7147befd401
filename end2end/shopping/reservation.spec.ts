import {
  expectAccessible,
  expectAccessibleAtAnyWidth,
  expectNoSidewaysScroll,
} from "../fixtures/accessibility";
import { CHESS, SPEAKER, TENT, WATCH } from "../fixtures/catalogue";
import { OFTEN } from "../fixtures/changes";
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
  setQuantity,
  stockOf,
  waitForIslands,
} from "../fixtures/shopper";

test.describe("an active reservation", () => {
  test.use({ ownShop: true });

  test("the checkout shows the end of the reservation, counts down, and is accessible", { tag: "@phone" }, async ({
    page,
  }) => {
    await goToCheckout(page, [SPEAKER, 1]);
    await waitForIslands(page);
    await expect(hold(page)).toContainText(RESERVED);
    const clock = page.getByRole("timer");
    await expect(clock).toHaveText(/^(10:00|9:\d\d)$/);
    const first = await clock.textContent();
    await expect(clock).not.toHaveText(first!);
    // On a phone, the clock alone leaves more of the form in view.
    const bar = hold(page).getByRole("progressbar", { name: "Time left" });
    await expect(bar).toBeVisible({ visible: page.viewportSize()!.width > 704 });
    await expect(page.getByRole("button", { name: "Reserve again" })).toBeHidden();
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);

    await page.goto("/cart");
    await waitForIslands(page);
    await expect(hold(page)).toContainText(RESERVED);
    await expect(page.getByRole("timer")).toBeVisible();
    await expect(page.getByRole("main")).toContainText("also changes your reservation.");
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);
  });

  test("it can be extended once, and the form keeps its input", { tag: "@phone" }, async ({ page }) => {
    await goToCheckout(page, [SPEAKER, 1]);
    await waitForIslands(page);
    const contact = guest();
    await fillIn(page, contact);
    // Wait a second, so that the new end differs.
    await expect(page.getByRole("timer")).toHaveText(/^9:([0-4]\d|5[0-8])$/);
    const end = await hold(page).getByText(RESERVED).textContent();
    await page.getByRole("button", { name: "Add 10 minutes" }).click();
    await expect(hold(page)).toContainText("Extended once");
    await expect(page).toHaveURL("/checkout");
    await expect(hold(page)).toContainText(RESERVED);
    await expect(hold(page)).not.toContainText(end!);
    await expectFilledIn(page, contact);
    await waitForIslands(page);
    await expect(page.getByRole("button", { name: "Add 10 minutes" })).toBeHidden();
    await expectAccessible(page);

    // The request of a browser that still shows the old page.
    const again = await page.request.post("/api/form/checkout/change", {
      form: { act: "extend", cart_id: await page.locator("input[name=cart_id]").inputValue() },
      headers: { Accept: "application/json" },
    });
    expect(again.status()).toBe(409);
    expect((await again.json()).detail).toBe(
      "You can extend a reservation only once until you have paid.",
    );
  });

  test("it follows the cart, and other shoppers see the change", async ({ page, anotherBrowser }) => {
    const before = await stockOf(page.request, TENT);
    const watcher = await anotherBrowser();
    await watcher.goto(`/products/${TENT.slug}`);
    await waitForIslands(watcher);
    const left = watcher.getByRole("region", { name: "Buy" }).getByRole("status");
    const expectTaken = (units: number) =>
      // Another test may have changed the total by a stock count.
      expect(left).toHaveText(new RegExp(`\\b${before - units} of \\d+ left`));
    const change = async (units: number) => {
      await page.goto("/cart");
      await setQuantity(page, TENT, units);
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
    // Items added later are reserved too.
    await addToCart(page, TENT, 3);
    await expectTaken(4);
    await page.getByRole("button", { name: `Remove ${TENT.name}` }).click();
    await expectTaken(0);
  });

  test("a shopper can buy the last units that their own reservation holds", async ({
    page,
    anotherBrowser,
  }) => {
    await buyDownTo(page.request, WATCH, 4);
    await goToCheckout(page, [WATCH, 4]);
    const other = await anotherBrowser();
    await other.goto(`/products/${WATCH.slug}`);
    await expect(other.getByRole("button", { name: "All reserved" })).toBeDisabled();

    await page.goto("/cart");
    await waitForIslands(page);
    await expect(cartLine(page, WATCH).getByRole("status")).toBeHidden();
    await expect(page.getByRole("button", { name: "Checkout" })).toBeEnabled();
    await setQuantity(page, WATCH, 3);
    await setQuantity(page, WATCH, 4);
    await expect(cartLine(page, WATCH).getByRole("status")).toBeHidden();
    await page.getByRole("button", { name: "Checkout" }).click();
    await pay(page, guest());
    await expect(page).toHaveURL(ORDER_ADDRESS);
    expect(await stockOf(page.request, WATCH)).toBe(0);
  });
});

test.describe("an expired reservation", () => {
  test.use({ freshShop: true, settings: { HOLD_TTL_S: "7", UNPAID_PAUSE_S: "0" } });

  test("the page warns before and after expiry, another shopper can buy, and the items can be reserved again", async ({
    page,
    anotherBrowser,
  }) => {
    const other = await anotherBrowser();
    await other.goto(`/products/${CHESS.slug}`);
    await waitForIslands(other);
    const left = other.getByRole("region", { name: "Buy" }).getByRole("status");

    await goToCheckout(page, [CHESS, 3]);
    await waitForIslands(page);
    const status = hold(page).getByRole("status");
    await expect(status).toHaveText("Less than a minute left.");
    await expect(left).toContainText("2 of 5 left");
    const contact = guest();
    await fillIn(page, { ...contact, ...card() });

    await expect(hold(page)).toContainText("Your reservation has expired", { timeout: 20_000 });
    await expect(status).toContainText("Your details are saved.");
    await expect(page.getByRole("timer")).toBeHidden();
    await expect(page.getByRole("button", { name: "Add 7 seconds" })).toBeHidden();
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);

    // The units are available again, and another shopper buys two.
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

  test("cart and checkout list the released items, and reserving sold units fails", async ({ page }) => {
    await goToCheckout(page, [CHESS, 5]);
    await fillIn(page, guest());
    await expect.poll(() => stockOf(page.request, CHESS), { intervals: OFTEN, timeout: 20_000 }).toBe(5);
    await page.goto("/cart");
    const notice = page.getByText("Your reservation has expired");
    await expect(notice).toBeVisible();
    await expect(page.getByRole("main")).toContainText(`5 × ${CHESS.name}`);
    await expectAccessibleAtAnyWidth(page);

    await page.goto("/checkout");
    await expect(hold(page)).toContainText("Your reservation has expired");
    await expect(hold(page)).toContainText(`5 × ${CHESS.name} returned to stock.`);
    const contact = guest();
    await fillIn(page, contact);
    await buyDownTo(page.request, CHESS, 1);
    await page.getByRole("button", { name: "Reserve again" }).click();
    await expect(page.getByRole("alert")).toContainText(
      `Only 1 unit of ${CHESS.name} is left.`,
    );
    await expectFilledIn(page, contact);
    await expectAccessibleAtAnyWidth(page);
  });
});
