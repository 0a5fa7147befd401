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
  trustNobody,
} from "../fixtures/shopper";

test.use({ ownShop: true });

/** Has `shopper` order, and opens the order behind the counter. */
async function order(
  admin: Page,
  shopper: Page,
  ...products: [Product, number][]
): Promise<{ stands: Locator; row: (product: Product) => Locator }> {
  await goToCheckout(shopper, ...products);
  await pay(shopper, guest());
  await expect(shopper).toHaveURL(ORDER_ADDRESS);
  const number = /DB-\d{6}/.exec((await shopper.getByText(/DB-\d{6}/).textContent())!)![0];
  await admin.goto("/admin");
  await admin.getByRole("link", { name: number }).click();
  await expect(admin.getByRole("heading", { level: 1 })).toHaveText(`Order ${number}`);
  return {
    stands: admin.getByRole("region", { name: "Where it stands" }),
    row: ({ name }) =>
      admin.getByRole("row").filter({ has: admin.getByRole("rowheader", { name }) }),
  };
}

test.beforeEach(({ page, adminPassword }) => signIn(page.request, adminPassword));

test("a line is paid back in part, its goods are taken back, and the rest is cancelled", async ({
  page,
  anotherBrowser,
}) => {
  const before = [await stockOf(page.request, SPEAKER), await stockOf(page.request, LAMP)];
  const shopper = await anotherBrowser();
  const { stands, row } = await order(page, shopper, [SPEAKER, 2], [LAMP, 1]);
  const paid = euros(2 * SPEAKER.priceCents + LAMP.priceCents);
  await expect(stands).toContainText(`${paid} paid by card.`);
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
  await page.setViewportSize({ width: 1280, height: 800 });

  // Money without goods.
  await page.getByRole("button", { name: `Refund ${SPEAKER.name}` }).click();
  await expect(row(SPEAKER).getByRole("cell")).toHaveText([
    "2",
    "0",
    "1",
    euros(2 * SPEAKER.priceCents),
  ]);
  await expect(stands).toContainText(`${euros(SPEAKER.priceCents)} was refunded.`);
  expect(await stockOf(page.request, SPEAKER)).toBe(before[0]! - 2);
  await shopper.reload();
  await expect(orderStatus(shopper)).toHaveText("Paid");
  const refunds = shopper.getByRole("table", { name: "Refunds" }).getByRole("row");
  await expect(refunds.nth(1).getByRole("cell")).toHaveText([
    "Refunded by the shop",
    "Paid back",
    euros(SPEAKER.priceCents),
  ]);
  await expectAccessible(shopper);

  // Goods without money.
  await page.getByLabel(`Units of ${SPEAKER.name}`).fill("2");
  await page.getByRole("button", { name: `Take back ${SPEAKER.name}` }).click();
  await expect(row(SPEAKER).getByRole("cell").nth(1)).toHaveText("2");
  await expect(stands).toContainText(`${euros(SPEAKER.priceCents)} was refunded.`);
  expect(await stockOf(page.request, SPEAKER)).toBe(before[0]);

  // What is left of both.
  await page.getByText("Cancel the order").click();
  await page.getByRole("button", { name: "Yes, cancel it" }).click();
  await expect(stands).toContainText("Cancelled");
  await expect(stands).toContainText(`${paid} was refunded.`);
  await expect(page.getByText("Cancel the order")).toHaveCount(0);
  expect(await stockOf(page.request, SPEAKER)).toBe(before[0]);
  expect(await stockOf(page.request, LAMP)).toBe(before[1]);
  await shopper.reload();
  await expect(shopper.getByRole("heading", { level: 1 })).toHaveText("Order cancelled");
  await expect(orderPayment(shopper)).toHaveText(`${paid} paid by card. ${paid} was refunded.`);
  await expectCleanAudit(page);
});

test("all that is left can be paid back while the customer keeps the goods", async ({
  page,
  anotherBrowser,
}) => {
  const { stands, row } = await order(page, await anotherBrowser(), [ESPRESSO_MAKER, 1]);
  const after = await stockOf(page.request, ESPRESSO_MAKER);
  await page.getByText("Refund all that is left").click();
  await page.getByRole("button", { name: "Yes, pay it back" }).click();
  await expect(stands).toContainText(`${euros(ESPRESSO_MAKER.priceCents)} was refunded.`);
  await expect(stands).toContainText("Refunded");
  await expect(row(ESPRESSO_MAKER).getByRole("cell").nth(2)).toHaveText("1");
  await expect(page.getByText("Refund all that is left")).toHaveCount(0);
  expect(await stockOf(page.request, ESPRESSO_MAKER)).toBe(after);
  await expectCleanAudit(page);
});

test("more than was bought is neither paid back nor taken back, and a form sent twice acts once", async ({
  page,
  anotherBrowser,
}) => {
  const { stands, row } = await order(page, await anotherBrowser(), [BLOCKS, 2]);
  const after = await stockOf(page.request, BLOCKS);
  for (const button of ["Refund", "Take back"]) {
    const units = page.getByLabel(`Units of ${BLOCKS.name}`);
    await trustNobody(units);
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
  await expect(stands).toContainText(`${euros(BLOCKS.priceCents)} was refunded.`);
  await expect(row(BLOCKS).getByRole("cell").nth(2)).toHaveText("1");
  await expectCleanAudit(page);
});
