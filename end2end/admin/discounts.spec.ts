import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { signIn } from "../fixtures/administrator";
import { LAMP, euros } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  ORDER_ADDRESS,
  expectFilledIn,
  fillIn,
  goToCheckout,
  guest,
  pay,
  payButton,
  disableValidation,
} from "../fixtures/shopper";

test.use({ ownShop: true });

test.beforeEach(async ({ page, adminPassword }) => {
  await signIn(page.request, adminPassword);
  await page.goto("/admin/discounts");
});

test("a code can be created, and its use by a customer is counted", async ({ page, anotherBrowser }) => {
  await fillIn(page, { Code: "opening-day", "Discount": "12.50", "Total uses": "3" });
  await page.getByLabel("Type").selectOption("Fixed amount in euros");
  await page.getByRole("button", { name: "Create code" }).click();
  await expect(page).toHaveURL("/admin/discounts#code-OPENING-DAY");
  const row = page.getByRole("row").filter({ hasText: "OPENING-DAY" });
  await expect(row.getByRole("cell").nth(4)).toHaveText("0 of 3");
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);

  const shopper = await anotherBrowser();
  await goToCheckout(shopper, [LAMP, 1]);
  await fillIn(shopper, { "Discount code": "Opening-Day" });
  await shopper.getByRole("button", { name: "Apply" }).click();
  await expect(payButton(shopper)).toHaveText(`Pay ${euros(LAMP.priceCents - 1_250)}`);
  await pay(shopper, guest());
  await expect(shopper).toHaveURL(ORDER_ADDRESS);
  await page.reload();
  await expect(row.getByRole("cell").nth(4)).toHaveText("1 of 3");
});

test("an invalid code is not created, and the form keeps the input", async ({ page }) => {
  const typed = {
    Code: "two words",
    "Discount": "101",
    "Minimum order (€)": "a lot",
    "Total uses": "0",
  };
  for (const label of ["Code", "Total uses"]) {
    await disableValidation(page.getByLabel(label, { exact: true }));
  }
  await fillIn(page, typed);
  await page.getByRole("button", { name: "Create code" }).click();
  await expect(page.getByRole("alert")).toContainText("Nothing was changed.");
  await expect(page).toHaveURL("/admin/discounts");
  await expectFilledIn(page, typed);
  await expect(page.locator("[aria-invalid=true]")).not.toHaveCount(0);
  await expectAccessible(page);
  await expect(page.getByRole("row").filter({ hasText: "TWO WORDS" })).toHaveCount(0);
});

test("a code is switched off and on again, and the page says when", async ({
  page,
  anotherBrowser,
}) => {
  await fillIn(page, { Code: "leak", "Discount": "10", "Total uses": "50" });
  await page.getByRole("button", { name: "Create code" }).click();
  const row = page.getByRole("row").filter({ hasText: "LEAK" }).filter({ hasText: "of 50" });
  await expect(row).toContainText("On");
  const history = page
    .getByRole("region", { name: "History of the codes" })
    .getByRole("row")
    .filter({ hasText: "LEAK" });
  await expect(history).toHaveCount(0);

  await page.getByRole("button", { name: "Switch off LEAK" }).click();
  await expect(page).toHaveURL("/admin/discounts#code-LEAK");
  await expect(row).toContainText("Off");
  await expect(history).toHaveText([/administrator.*LEAK.*Switched off/]);
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);

  const shopper = await anotherBrowser();
  await goToCheckout(shopper, [LAMP, 1]);
  const code = async (): Promise<void> => {
    await fillIn(shopper, { "Discount code": "leak" });
    await shopper.getByRole("button", { name: "Apply" }).click();
  };
  await code();
  await expect(shopper.getByLabel("Discount code")).toHaveAccessibleDescription(
    /The discount code LEAK is not valid right now\./,
  );
  await expect(payButton(shopper)).toHaveText(`Pay ${euros(LAMP.priceCents)}`);

  await page.getByRole("button", { name: "Switch on LEAK" }).click();
  await expect(row).toContainText("On");
  await expect(history).toHaveText([/Switched on/, /Switched off/]);
  await code();
  await expect(payButton(shopper)).toHaveText(
    `Pay ${euros(LAMP.priceCents - Math.round(LAMP.priceCents / 10))}`,
  );
});

test("an end in the past is refused beside its field", async ({ page }) => {
  await fillIn(page, { Code: "too-late", "Valid until": "2020-01-01T00:00" });
  await page.getByRole("button", { name: "Create code" }).click();
  await expect(page.getByRole("alert").first()).toContainText("Nothing was changed.");
  await expect(page.getByLabel("Valid until")).toHaveAttribute("aria-invalid", "true");
  await expect(page.getByLabel("Valid until")).toHaveAccessibleDescription(/This time has passed/);
  await expect(page.getByLabel("Valid until")).toHaveValue("2020-01-01T00:00");
  await expect(page.getByText("TOO-LATE")).toHaveCount(0);
});
