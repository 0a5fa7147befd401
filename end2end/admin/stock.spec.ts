import { expectAccessible } from "../fixtures/accessibility";
import { expectCleanAudit, signIn, stockNumbers } from "../fixtures/administrator";
import { BICYCLE, HEADPHONES, TENT } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import { goToCheckout, stockOf, disableValidation, waitForIslands } from "../fixtures/shopper";

test.use({ ownShop: true });

test.beforeEach(async ({ page, adminPassword }) => {
  await signIn(page.request, adminPassword);
  await page.goto("/admin/stock");
});

test("received units are available at once, also on open product pages", async ({
  page,
  anotherBrowser,
}) => {
  const shopper = await anotherBrowser();
  await shopper.goto(`/products/${BICYCLE.slug}`);
  await waitForIslands(shopper);
  await expect(shopper.getByRole("button", { name: "Sold out" })).toBeDisabled();

  const form = page.getByRole("form", { name: "Receive units" });
  await form.getByLabel("Product").selectOption(BICYCLE.name);
  await form.getByLabel("Units").fill("7");
  await form.getByRole("button", { name: "Receive" }).click();
  await expect(page).toHaveURL(`/admin/stock#stock-${BICYCLE.id}`);
  expect(await stockNumbers(page, BICYCLE)).toEqual([7, 7, 0, 0]);
  await expect(page.getByRole("row").filter({ hasText: BICYCLE.name })).toBeInViewport();
  await expectAccessible(page);

  await expect(shopper.getByRole("button", { name: "Add to cart" })).toBeEnabled();
  await expectCleanAudit(page);
});

test("a stock count records the counted units and the reason", async ({ page }) => {
  const [total, available] = await stockNumbers(page, TENT);
  const form = page.getByRole("form", { name: "Stock-take" });
  await form.getByLabel("Product").selectOption(TENT.name);
  await form.getByLabel("Units counted").fill(`${available! - 2}`);
  await form.getByLabel("Reason").fill("Two were damaged by water");
  await form.getByRole("button", { name: "Adjust" }).click();
  await expect(page).toHaveURL(`/admin/stock#stock-${TENT.id}`);
  expect((await stockNumbers(page, TENT)).slice(0, 2)).toEqual([total! - 2, available! - 2]);
  expect(await stockOf(page.request, TENT)).toBe(available! - 2);
  await expectCleanAudit(page);
});

test("a stock count without a reason, or below the reserved units, changes nothing and shows an error", async ({
  page,
  anotherBrowser,
}) => {
  const form = page.getByRole("form", { name: "Stock-take" });
  const adjust = async (counted: string, reason: string) => {
    await disableValidation(form.getByLabel("Reason"));
    await disableValidation(form.getByLabel("Units counted"));
    await form.getByLabel("Product").selectOption(HEADPHONES.name);
    await form.getByLabel("Units counted").fill(counted);
    await form.getByLabel("Reason").fill(reason);
    await form.getByRole("button", { name: "Adjust" }).click();
    await expect(page.getByRole("alert")).toContainText("Nothing was changed.");
  };
  await adjust("10", "");
  await expect(form.getByLabel("Reason")).toHaveAccessibleDescription(
    /Enter a reason of at most 200 characters\.$/,
  );
  await expect(form.getByLabel("Product")).toHaveValue(`${HEADPHONES.id}`);
  await expect(form.getByLabel("Units counted")).toHaveValue("10");
  await expectAccessible(page);
  await adjust("1000001", "Counted in the dark");
  await expect(form.getByLabel("Units counted")).toHaveAccessibleDescription(
    /Enter a whole number from 0 to 1,000,000\.$/,
  );

  await goToCheckout(await anotherBrowser(), [HEADPHONES, 3]);
  await page.goto("/admin/stock");
  const [total, available, reserved] = await stockNumbers(page, HEADPHONES);
  expect(reserved).toBeGreaterThanOrEqual(3);
  await adjust("2", "Only two are left");
  await expect(page.getByRole("alert")).toContainText(
    `${reserved} units are reserved for customers at checkout`,
  );
  expect((await stockNumbers(page, HEADPHONES)).slice(0, 3)).toEqual([total, available, reserved]);
});
