import type { Page } from "@playwright/test";

import {
  expectAccessible,
  expectAccessibleAtAnyWidth,
  expectNoSidewaysScroll,
} from "../fixtures/accessibility";
import { expectCleanAudit, signIn } from "../fixtures/administrator";
import { CHESS, euros } from "../fixtures/catalogue";
import { OFTEN, expectBecomes } from "../fixtures/changes";
import { expect, test } from "../fixtures/shop";
import {
  CARDS,
  ORDER_ADDRESS,
  addToCart,
  buy,
  guest,
  orderPayment,
  orderStatus,
  pay,
  stockOf,
} from "../fixtures/shopper";

const PRICE = euros(5 * CHESS.priceCents);

/**
 * Pays for all units of a product with a card that takes eight seconds, while the reservation lasts
 * two seconds, and buys one unit for another customer in between.
 */
async function payTooLate(page: Page): Promise<void> {
  await addToCart(page, CHESS, 5, "Buy now");
  await pay(page, guest(), CARDS.slow);
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expect(orderStatus(page)).toHaveText("Confirming");
  await expect.poll(() => stockOf(page.request, CHESS), { intervals: OFTEN, timeout: 20_000 }).toBe(5);
  await buy(page.request, CHESS, 1);
}

test.describe("a payment after the last unit is sold", () => {
  test.use({ freshShop: true, settings: { HOLD_TTL_S: "2" } });

  test("the order is cancelled and refunded, and the open page shows it", async ({
    page,
    adminPassword,
  }) => {
    await payTooLate(page);
    await expectBecomes(orderStatus(page), "Cancelled");
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Order cancelled");
    await expect(page.getByRole("main")).toContainText(
      "Your payment arrived after your reservation had expired, and the item had sold out. The order is cancelled and your payment is refunded.",
    );
    await expect(orderPayment(page)).toHaveText(`${PRICE} paid by card. ${PRICE} was refunded.`);
    expect(await stockOf(page.request, CHESS)).toBe(4);

    await page.reload();
    const refunds = page.getByRole("table", { name: "Refunds" }).getByRole("row");
    await expect(refunds.nth(1).getByRole("cell")).toHaveText([
      "Sold out before the payment arrived",
      "Refunded",
      PRICE,
    ]);
    await expectAccessibleAtAnyWidth(page);
    await signIn(page.request, adminPassword);
    await expectCleanAudit(page);
  });
});

test.describe("a payment after the last unit is sold, in a shop with backorders", () => {
  test.use({
    freshShop: true,
    settings: { HOLD_TTL_S: "2", PAID_WITHOUT_STOCK: "backorder" },
  });

  test("the order is backordered and fulfilled first when stock arrives", async ({
    page,
    anotherBrowser,
    adminPassword,
  }) => {
    await payTooLate(page);
    await expectBecomes(orderStatus(page), "Backordered");
    await expect(page.getByRole("main")).toContainText("New stock goes to your order first.");
    await expect(orderPayment(page)).toHaveText(`${PRICE} paid by card.`);
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);

    const admin = await anotherBrowser();
    await signIn(admin.request, adminPassword);
    await admin.goto("/admin/stock");
    const receive = admin.getByRole("form", { name: "Receive units" });
    await receive.getByLabel("Product").selectOption(CHESS.name);
    await receive.getByLabel("Units").fill("2");
    await receive.getByRole("button", { name: "Receive" }).click();
    await expect(orderStatus(page)).toHaveText("Paid");
    await expect(page.getByText("Your order is paid and the items are yours.")).toBeVisible();
    expect(await stockOf(page.request, CHESS)).toBe(1);
    await expectCleanAudit(admin);
  });
});
