import { expectAccessible } from "../fixtures/accessibility";
import { expectCleanAudit, signIn, stockRow } from "../fixtures/administrator";
import { BICYCLE, HEADPHONES, TENT } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import { goToCheckout, stockOf, trustNobody, untilAwake } from "../fixtures/shopper";

test.use({ ownShop: true });

test.beforeEach(async ({ page, adminPassword }) => {
  await signIn(page.request, adminPassword);
  await page.goto("/admin/stock");
});

test("units that come in are on the shelf at once, for everybody who looks at it", async ({
  page,
  anotherBrowser,
}) => {
  const shopper = await anotherBrowser();
  await shopper.goto(`/products/${BICYCLE.slug}`);
  await untilAwake(shopper);
  await expect(shopper.getByRole("button", { name: "Sold out" })).toBeDisabled();

  const form = page.getByRole("form", { name: "Receive units" });
  await form.getByLabel("Product").selectOption(BICYCLE.name);
  await form.getByLabel("Units").fill("7");
  await form.getByRole("button", { name: "Receive" }).click();
  await expect(page).toHaveURL(`/admin/stock#stock-${BICYCLE.id}`);
  expect(await stockRow(page, BICYCLE)).toEqual([7, 7, 0, 0]);
  await expect(page.getByRole("row").filter({ hasText: BICYCLE.name })).toBeInViewport();
  await expectAccessible(page);

  await expect(shopper.getByRole("button", { name: "Add to cart" })).toBeEnabled();
  await expectCleanAudit(page);
});

test("a stock-take writes down what was counted, and why", async ({ page }) => {
  const [total, available] = await stockRow(page, TENT);
  const form = page.getByRole("form", { name: "Stock-take" });
  await form.getByLabel("Product").selectOption(TENT.name);
  await form.getByLabel("Units counted").fill(`${available! - 2}`);
  await form.getByLabel("Reason").fill("Two were damaged by water");
  await form.getByRole("button", { name: "Adjust" }).click();
  await expect(page).toHaveURL(`/admin/stock#stock-${TENT.id}`);
  expect((await stockRow(page, TENT)).slice(0, 2)).toEqual([total! - 2, available! - 2]);
  expect(await stockOf(page.request, TENT)).toBe(available! - 2);
  await expectCleanAudit(page);
});

test("a stock-take without a reason, or below what customers hold, changes nothing and says why", async ({
  page,
  anotherBrowser,
}) => {
  const form = page.getByRole("form", { name: "Stock-take" });
  const adjust = async (counted: string, reason: string) => {
    await trustNobody(form.getByLabel("Reason"));
    await trustNobody(form.getByLabel("Units counted"));
    await form.getByLabel("Product").selectOption(HEADPHONES.name);
    await form.getByLabel("Units counted").fill(counted);
    await form.getByLabel("Reason").fill(reason);
    await form.getByRole("button", { name: "Adjust" }).click();
    await expect(page.getByRole("alert")).toContainText("Nothing was changed.");
  };
  await adjust("10", "");
  await expect(form.getByLabel("Reason")).toHaveAccessibleDescription(
    /A reason of at most 200 characters\.$/,
  );
  await expect(form.getByLabel("Product")).toHaveValue(`${HEADPHONES.id}`);
  await expect(form.getByLabel("Units counted")).toHaveValue("10");
  await expectAccessible(page);
  await adjust("1000001", "Counted in the dark");
  await expect(form.getByLabel("Units counted")).toHaveAccessibleDescription(
    /A whole number from 0 to 1,000,000\.$/,
  );

  await goToCheckout(await anotherBrowser(), [HEADPHONES, 3]);
  await page.goto("/admin/stock");
  const [total, available, reserved] = await stockRow(page, HEADPHONES);
  expect(reserved).toBeGreaterThanOrEqual(3);
  await adjust("2", "Only two are left");
  await expect(page.getByRole("alert")).toContainText(
    `${reserved} units are held for customers at the checkout`,
  );
  expect((await stockRow(page, HEADPHONES)).slice(0, 3)).toEqual([total, available, reserved]);
});
