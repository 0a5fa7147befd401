import { createCode, expectCleanAudit, signIn } from "../fixtures/administrator";
import { BLOCKS, FLASK, LAMP } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import { ORDER_ADDRESS, goToCheckout, guest, pay, totalRow } from "../fixtures/shopper";

test.use({ ownShop: true });

test("three lines with a fixed discount are refunded one by one with what was paid", async ({
  page,
  anotherBrowser,
  adminPassword,
}) => {
  await signIn(page.request, adminPassword);
  await createCode(page.request, { code: "ONEEURO", kind: "amount", value: "1.00" });
  const shopper = await anotherBrowser();
  await goToCheckout(shopper, [BLOCKS, 1], [FLASK, 1], [LAMP, 1]);
  await shopper.getByLabel("Discount code").fill("ONEEURO");
  await shopper.getByRole("button", { name: "Apply" }).click();
  await expect(shopper.getByText("−€1.00").first()).toBeVisible();
  await pay(shopper, guest());
  await expect(shopper).toHaveURL(ORDER_ADDRESS);
  const paid = /€[\d,.]+/.exec((await totalRow(shopper).textContent())!)![0];

  await page.goto(shopper.url().replace("/orders/", "/admin/orders/"));
  for (const product of [LAMP, BLOCKS, FLASK]) {
    await page.getByRole("button", { name: `Refund ${product.name}` }).click();
    await expect(
      page
        .getByRole("row")
        .filter({ has: page.getByRole("rowheader", { name: product.name }) })
        .getByRole("cell")
        .nth(2),
    ).toHaveText("1");
  }
  await shopper.reload();
  await expect(shopper.getByRole("row", { name: /^Refunded in total/ })).toContainText(paid);
  await expectCleanAudit(page);
});
