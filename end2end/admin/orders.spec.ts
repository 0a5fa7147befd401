import type { Locator, Page } from "@playwright/test";

import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { expectCleanAudit, signIn } from "../fixtures/administrator";
import { BLOCKS, ESPRESSO_MAKER, LAMP, SPEAKER, type Product, euros } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  ORDER_ADDRESS,
  goToCheckout,
  guest,
  orderPayment,
  orderStatus,
  pay,
  stockOf,
  disableValidation,
} from "../fixtures/shopper";

test.use({ ownShop: true });

/** Places an order as `shopper` and opens it on the admin page. */
async function order(
  admin: Page,
  shopper: Page,
  ...products: [Product, number][]
): Promise<{ summary: Locator; row: (product: Product) => Locator }> {
  await goToCheckout(shopper, ...products);
  await pay(shopper, guest());
  await expect(shopper).toHaveURL(ORDER_ADDRESS);
  const number = /DB-\d{6}/.exec((await shopper.getByText(/DB-\d{6}/).textContent())!)![0];
  await admin.goto("/admin");
  await admin.getByRole("link", { name: number }).click();
  await expect(admin.getByRole("heading", { level: 1 })).toHaveText(`Order ${number}`);
  return {
    summary: admin.getByRole("region", { name: "Summary" }),
    row: ({ name }) =>
      admin.getByRole("row").filter({ has: admin.getByRole("rowheader", { name }) }),
  };
}

test.beforeEach(({ page, adminPassword }) => signIn(page.request, adminPassword));

test("a line can be partly refunded, its goods returned, and the rest cancelled", async ({
  page,
  anotherBrowser,
}) => {
  const before = [await stockOf(page.request, SPEAKER), await stockOf(page.request, LAMP)];
  const shopper = await anotherBrowser();
  const { summary, row } = await order(page, shopper, [SPEAKER, 2], [LAMP, 1]);
  const paid = euros(2 * SPEAKER.priceCents + LAMP.priceCents);
  await expect(summary).toContainText(`${paid} paid by card.`);
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
  await page.setViewportSize({ width: 1280, height: 800 });

  // Refund money without returning goods.
  await page.getByRole("button", { name: `Refund ${SPEAKER.name}` }).click();
  await expect(row(SPEAKER).getByRole("cell")).toHaveText([
    "2",
    "0",
    "1",
    euros(2 * SPEAKER.priceCents),
  ]);
  await expect(summary).toContainText(`${euros(SPEAKER.priceCents)} was refunded.`);
  expect(await stockOf(page.request, SPEAKER)).toBe(before[0]! - 2);
  await shopper.reload();
  await expect(orderStatus(shopper)).toHaveText("Paid");
  const refunds = shopper.getByRole("table", { name: "Refunds" }).getByRole("row");
  await expect(refunds.nth(1).getByRole("cell")).toHaveText([
    "Refunded by the shop",
    "Refunded",
    euros(SPEAKER.priceCents),
  ]);
  await expectAccessible(shopper);

  // Return goods without refunding money.
  await page.getByLabel(`Units of ${SPEAKER.name}`).fill("2");
  await page.getByRole("button", { name: `Return ${SPEAKER.name}` }).click();
  await expect(row(SPEAKER).getByRole("cell").nth(1)).toHaveText("2");
  await expect(summary).toContainText(`${euros(SPEAKER.priceCents)} was refunded.`);
  expect(await stockOf(page.request, SPEAKER)).toBe(before[0]);

  // Refund and return the rest.
  await page.getByText("Cancel order").click();
  await page.getByRole("button", { name: "Yes, cancel it" }).click();
  await expect(summary).toContainText("Cancelled");
  await expect(summary).toContainText(`${paid} was refunded.`);
  await expect(page.getByText("Cancel order")).toHaveCount(0);
  expect(await stockOf(page.request, SPEAKER)).toBe(before[0]);
  expect(await stockOf(page.request, LAMP)).toBe(before[1]);
  await shopper.reload();
  await expect(shopper.getByRole("heading", { level: 1 })).toHaveText("Order cancelled");
  await expect(orderPayment(shopper)).toHaveText(`${paid} paid by card. ${paid} was refunded.`);
  await expect(shopper.getByRole("row", { name: /^Refunded in total/ })).toContainText(paid);
  await expectCleanAudit(page);
});

test("the remaining amount can be refunded while the customer keeps the goods", async ({
  page,
  anotherBrowser,
}) => {
  const { summary, row } = await order(page, await anotherBrowser(), [ESPRESSO_MAKER, 1]);
  const after = await stockOf(page.request, ESPRESSO_MAKER);
  await page.getByText("Refund remaining amount").click();
  await page.getByRole("button", { name: "Yes, refund it" }).click();
  await expect(summary).toContainText(`${euros(ESPRESSO_MAKER.priceCents)} was refunded.`);
  await expect(summary).toContainText("Refunded");
  await expect(row(ESPRESSO_MAKER).getByRole("cell").nth(2)).toHaveText("1");
  await expect(page.getByText("Refund remaining amount")).toHaveCount(0);
  expect(await stockOf(page.request, ESPRESSO_MAKER)).toBe(after);
  await expectCleanAudit(page);
});

test("refunds and returns beyond the purchase are rejected, and a form sent twice acts once", async ({
  page,
  anotherBrowser,
}) => {
  const { summary, row } = await order(page, await anotherBrowser(), [BLOCKS, 2]);
  const after = await stockOf(page.request, BLOCKS);
  for (const button of ["Refund", "Return"]) {
    const units = page.getByLabel(`Units of ${BLOCKS.name}`);
    await disableValidation(units);
    await units.fill("3");
    await page.getByRole("button", { name: `${button} ${BLOCKS.name}` }).click();
    await expect(page.getByRole("alert")).toContainText("Nothing was changed.");
    await expect(row(BLOCKS).getByRole("cell").nth(1)).toHaveText("0");
    await expect(row(BLOCKS).getByRole("cell").nth(2)).toHaveText("0");
  }
  await expectAccessible(page);
  expect(await stockOf(page.request, BLOCKS)).toBe(after);

  await page
    .getByRole("button", { name: `Refund ${BLOCKS.name}` })
    .evaluate((button: HTMLButtonElement) => {
      button.click();
      button.click();
    });
  await expect(summary).toContainText(`${euros(BLOCKS.priceCents)} was refunded.`);
  await expect(row(BLOCKS).getByRole("cell").nth(2)).toHaveText("1");
  await expectCleanAudit(page);
});
