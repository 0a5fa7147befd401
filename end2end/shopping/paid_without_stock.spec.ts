import type { Page } from "@playwright/test";

import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { expectCleanAudit, signIn } from "../fixtures/administrator";
import { CHESS, euros } from "../fixtures/catalogue";
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
 * Pays for all of a product with a card whose money takes eight seconds, while the reservation lasts for two; and buys
 * one unit in between for somebody else.
 */
async function payTooLate(page: Page): Promise<void> {
  await addToCart(page, CHESS, 5, "Buy now");
  await pay(page, guest(), CARDS.slow);
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await expect(orderStatus(page)).toHaveText("Confirming");
  await expect.poll(() => stockOf(page.request, CHESS)).toBe(5);
  await buy(page.request, CHESS, 1);
}

test.describe("when the money comes after the last unit is gone", () => {
  test.use({ freshShop: true, settings: { HOLD_TTL_S: "2" } });

  test("the order is cancelled, the money goes back, and the open page says so", async ({
    page,
    adminPassword,
  }) => {
    await payTooLate(page);
    await expect(orderStatus(page)).toHaveText("Cancelled", { timeout: 20_000 });
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Order cancelled");
    await expect(page.getByRole("main")).toContainText(
      "Your payment came after your reservation had run out, and the last units were gone. The order is cancelled and your money goes back.",
    );
    await expect(orderPayment(page)).toHaveText(`${PRICE} paid by card. ${PRICE} was refunded.`);
    expect(await stockOf(page.request, CHESS)).toBe(4);

    await page.reload();
    const refunds = page.getByRole("table", { name: "Refunds" }).getByRole("row");
    await expect(refunds.nth(1).getByRole("cell")).toHaveText([
      "Paid after the last unit was gone",
      "Paid back",
      PRICE,
    ]);
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);
    await signIn(page.request, adminPassword);
    await expectCleanAudit(page);
  });
});

test.describe("when the money comes after the last unit is gone, and the shop lets customers wait", () => {
  test.use({
    freshShop: true,
    settings: { HOLD_TTL_S: "2", PAID_WITHOUT_STOCK: "backorder" },
  });

  test("the order waits, and is served first when stock arrives", async ({
    page,
    anotherBrowser,
    adminPassword,
  }) => {
    await payTooLate(page);
    await expect(orderStatus(page)).toHaveText("Backordered", { timeout: 20_000 });
    await expect(page.getByRole("main")).toContainText("You are first in line when stock arrives.");
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
    await expect(page.getByText("Your order is paid and the stock is yours.")).toBeVisible();
    expect(await stockOf(page.request, CHESS)).toBe(1);
    await expectCleanAudit(admin);
  });
});
