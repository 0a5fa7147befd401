import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { signIn } from "../fixtures/administrator";
import { LAMP } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";

test.use({ freshShop: true });

test.beforeEach(async ({ page, adminPassword }) => {
  await signIn(page.request, adminPassword);
  await page.goto("/admin/products");
});

test("a sale is planned, opened and ended, and its history says so", async ({ page }) => {
  await page.getByRole("link", { name: LAMP.name }).click();
  const address = `/admin/products/${LAMP.slug}`;
  await expect(page).toHaveURL(address);
  await page.getByLabel("From", { exact: true }).fill("2150-01-01T12:00");
  await page.getByLabel("Until", { exact: true }).fill("2150-01-02T12:00");
  await page.getByLabel("Compare-at price").fill("9999");
  await page.getByRole("button", { name: "Save plan" }).click();
  await expect(page).toHaveURL(`${address}#sale`);
  await expect(page.getByText("The sale opens at 2150-01-01 12:00 UTC.")).toBeVisible();
  await expect(page.getByLabel("From", { exact: true })).toHaveValue("2150-01-01T12:00");
  const history = page.getByRole("region", { name: "History of the sale" });
  await expect(history.getByRole("row")).toHaveCount(4);
  await page.getByRole("button", { name: "Open now" }).click();
  await expect(page.getByText("On sale since")).toBeVisible();
  // The start has seconds now, and the form can still be sent.
  await page.getByRole("button", { name: "Save plan" }).click();
  await expect(history.getByRole("row")).toHaveCount(5);
  await page.locator("summary").filter({ hasText: "End now" }).click();
  await page.getByRole("button", { name: "Yes, end the sale" }).click();
  await expect(page.getByText("The sale ended at")).toBeVisible();
  await expect(history.getByRole("row")).toHaveCount(6);
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
  await page.goto("/admin/products");
  await expect(page.getByRole("row", { name: LAMP.name })).toContainText("Ended");
  await expectNoSidewaysScroll(page);
});

test("a plan that cannot be has its errors beside its fields and keeps them", async ({ page }) => {
  await page.goto(`/admin/products/${LAMP.slug}`);
  await page.getByLabel("From", { exact: true }).fill("2150-01-02T12:00");
  await page.getByLabel("Until", { exact: true }).fill("2150-01-01T12:00");
  await page.getByLabel("Price", { exact: true }).fill("0");
  await page.getByLabel("Compare-at price").fill("free");
  await page.getByRole("button", { name: "Save plan" }).click();
  await expect(page.getByRole("alert")).toContainText("Nothing was changed.");
  await expect(page.locator("#compare_at-error")).toHaveText("Enter an amount, as in 12.50.");
  await expect(page.getByLabel("From", { exact: true })).toHaveValue("2150-01-02T12:00");
  await expect(page.getByLabel("Compare-at price")).toHaveValue("free");
  await expect(page.getByText("No changes yet.")).toBeVisible();
});
