import { BACKPACK, FLASK, LAMP } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  ORDER_ADDRESS,
  addToCart,
  expectCartBadge,
  goToCheckout,
  guest,
  pay,
  payButton,
  stockOf,
} from "../fixtures/shopper";

test.use({ ownShop: true });

test("a form whose page came back is not carried out twice, and says so", async ({ page }) => {
  const product = `/products/${FLASK.slug}`;
  const form = page.locator("form[action='/api/form/cart/add']");
  const add = page.getByRole("button", { name: "Add to cart" });
  await page.goto(product);
  const key = await form.locator("input[name=idempotency_key]").inputValue();
  await add.click();
  await expectCartBadge(page, 1);

  // The same entries.
  await page.goto(product);
  await form.locator("input[name=idempotency_key]").evaluate((field: HTMLInputElement, key) => {
    field.value = key;
  }, key);
  await add.click();
  await expect(page).toHaveURL("/cart");
  await expect(page.getByRole("alert")).toContainText("You sent this form before.");
  await expectCartBadge(page, 1);

  // Other entries: the form is shown again, with a new key.
  await page.goto(product);
  await page.getByLabel("Quantity").fill("3");
  await form.locator("input[name=idempotency_key]").evaluate((field: HTMLInputElement, key) => {
    field.value = key;
  }, key);
  await add.click();
  await expect(page).toHaveURL(product);
  await expect(page.getByRole("alert")).toContainText("This time nothing was changed.");
  await expect(page.getByLabel("Quantity")).toHaveValue("3");
  await add.click();
  await expectCartBadge(page, 4);
});

test("going back after paying shows no paid checkout", async ({ page }) => {
  await goToCheckout(page, [BACKPACK, 1]);
  await pay(page, guest());
  await expect(page).toHaveURL(ORDER_ADDRESS);
  await page.goBack();
  await expect(payButton(page)).toHaveCount(0);
});

test("a browser that blocks cookies is informed", async ({ page, context }) => {
  await page.route("**/*", async (route) => {
    await context.clearCookies();
    await route.continue();
  });
  const before = await stockOf(page.request, LAMP);
  await addToCart(page, LAMP, 1, "Buy now");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Your browser blocks cookies");
  expect(await stockOf(page.request, LAMP)).toBe(before);
});
