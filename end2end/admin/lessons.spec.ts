import type { Locator, Page } from "@playwright/test";

import { expectAccessible, expectNoSidewaysScroll, tabTo } from "../fixtures/accessibility";
import { expectCleanAudit, signIn } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";

// The page shows the latest result of a card, so no other test may run cards.
test.use({ ownShop: true });

/** The card with this heading. */
function card(page: Page, title: string): Locator {
  return page.getByRole("region", { name: title, exact: true });
}

async function play(page: Page, title: string): Promise<void> {
  await card(page, title)
    .getByRole("button", { name: `Run it ${title}` })
    .click();
  await expect(card(page, title).getByText("With the wrong rule Broken")).toBeVisible();
}

/**
 * Returns the values under `name` in the card's table: by the broken rule and by the shop's rule.
 */
async function figure(page: Page, title: string, name: string): Promise<string[]> {
  const row = card(page, title).getByRole("row").filter({ hasText: name });
  return row.getByRole("cell").allTextContents();
}

const LESSONS: { title: string; key: string; figures: Record<string, string[]> }[] = [
  {
    title: "A cart blocked by its own hold",
    key: "own-hold",
    figures: { "Reserved for the shopper": ["1", "0"], Sold: ["0", "1"], Rejected: ["1", "0"] },
  },
  {
    title: "Negative quantity",
    key: "negative-quantity",
    figures: { "Stock after": ["13", "10"], "Order total": ["-€30.00", "€0.00"] },
  },
  {
    title: "Off by one in a counter script",
    key: "off-by-one",
    figures: { Sold: ["21", "20"], Rejected: ["4", "5"], "Stock counter": ["-1", "0"] },
  },
  {
    title: "Hold timer reset by adding an item",
    key: "hold-timer",
    figures: { "Still held after expiry": ["1", "0"], Sold: ["0", "1"] },
  },
  {
    title: "Stock decremented in memory before the database",
    key: "memory-first",
    figures: { "Connections cut": ["2", "2"], Available: ["2", "0"] },
  },
  {
    title: "A coupon spent twice",
    key: "coupon-twice",
    figures: { "Orders that used the code": ["2", "1"], "Uses counted": ["1", "1"] },
  },
];

test("a visitor who is not signed in is redirected to the sign-in page", async ({ page }) => {
  await page.goto("/admin/lessons");
  await expect(page).toHaveURL("/admin/login");
  const answer = await page.request.post("/api/form/admin/run-lesson", {
    form: { lesson: "own-hold" },
    headers: { Accept: "application/json" },
  });
  expect(answer.status()).toBe(401);
});

test("each card runs from the page and shows the database’s numbers", async ({
  page,
  adminPassword,
}) => {
  await signIn(page.request, adminPassword);
  await page.goto("/admin");
  await page.getByRole("link", { name: "Lessons" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Lessons");
  for (const { title, key, figures } of LESSONS) {
    await play(page, title);
    await expect(page).toHaveURL(`/admin/lessons#${key}`);
    await expect(card(page, title).getByText("With the shop’s rule Correct")).toBeVisible();
    for (const [name, expected] of Object.entries(figures)) {
      expect(await figure(page, title, name), `${title}: ${name}`).toEqual(expected);
    }
  }
  await expectAccessible(page);
  for (const width of [390, 1280]) {
    await page.setViewportSize({ width, height: 844 });
    await expectNoSidewaysScroll(page);
  }
  await expectCleanAudit(page);
});

test("a card can be reached and run by keyboard alone", async ({ page, adminPassword }) => {
  await signIn(page.request, adminPassword);
  await page.goto("/admin/lessons");
  const title = "Negative quantity";
  await tabTo(page, page.getByRole("link", { name: title }));
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL("/admin/lessons#negative-quantity");
  await tabTo(page, page.getByRole("button", { name: `Run it ${title}` }));
  await page.keyboard.press("Enter");
  await expect(card(page, title).getByText("With the wrong rule Broken")).toBeVisible();
});

test("an unknown card is rejected with a readable error", async ({ page, adminPassword }) => {
  await signIn(page.request, adminPassword);
  await page.goto("/admin/lessons");
  await page
    .locator("#own-hold input[name=lesson]")
    .evaluate((field: HTMLInputElement) => (field.value = "no-such-lesson"));
  await page.getByRole("button", { name: "Run it A cart blocked by its own hold" }).click();
  await expect(page.getByRole("alert")).toContainText("there is no such lesson");
  await expect(page.getByRole("alert")).toContainText("The lesson did not finish.");
  await expectAccessible(page);
});
