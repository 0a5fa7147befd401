import { FLASK, RADIO } from "../fixtures/catalogue";
import { PLANNING_MS, buyBox, buyNow, shutter, stockLine } from "../fixtures/sales";
import { expect, test } from "../fixtures/shop";
import { payButton } from "../fixtures/shopper";

test.use({ ownShop: true });

test("without JavaScript, a page loads again at the start by itself, and its buttons work", async ({
  page,
  sales,
}) => {
  const start = Date.now() + PLANNING_MS;
  await sales.plan(RADIO, start);
  await page.goto(`/products/${RADIO.slug}`);
  await expect(buyNow(page)).toBeDisabled();
  await expect(shutter(page)).toContainText("Opens");
  await expect(page.getByRole("timer")).toBeHidden();
  await expect(page.getByRole("link", { name: "Add to calendar" })).toBeVisible();
  await expect(buyNow(page)).toBeEnabled({ timeout: 2 * PLANNING_MS });
  // At the start, or at most three seconds later, so that not all pages come at once.
  expect(Date.now() - start, "milliseconds after the start").toBeLessThan(5_000);
  await buyNow(page).click();
  await expect(payButton(page)).toBeVisible();
});

test("without JavaScript, a page loads again at the end by itself", async ({ page, sales }) => {
  const end = Date.now() + PLANNING_MS;
  await sales.plan(FLASK, end - 3_600_000, end);
  await page.goto(`/products/${FLASK.slug}`);
  await expect(buyNow(page)).toBeEnabled();
  await expect(buyNow(page)).toBeDisabled({ timeout: 2 * PLANNING_MS });
  await expect(stockLine(page)).toContainText("Sale ended");
  await expect(buyBox(page).getByRole("button", { name: "Sale ended" })).toBeDisabled();
});
