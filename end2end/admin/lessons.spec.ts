import type { Locator, Page } from "@playwright/test";

import { expectAccessible, expectNoSidewaysScroll, tabTo } from "../fixtures/accessibility";
import { expectCleanAudit, signIn } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";

// What is played last is what the page shows: nobody else may play.
test.use({ ownShop: true });

/** A card, by its heading. */
function card(page: Page, title: string): Locator {
  return page.getByRole("region", { name: title, exact: true });
}

async function play(page: Page, title: string): Promise<void> {
  await card(page, title)
    .getByRole("button", { name: `Run it ${title}` })
    .click();
  await expect(card(page, title).getByText("By the wrong rule Broken")).toBeVisible();
}

/** What the card's table says under `name`, by the wrong rule and by the shop's. */
async function figure(page: Page, title: string, name: string): Promise<string[]> {
  const row = card(page, title).getByRole("row").filter({ hasText: name });
  return row.getByRole("cell").allTextContents();
}

const LESSONS: { title: string; key: string; figures: Record<string, string[]> }[] = [
  {
    title: "A cart blocked by its own hold",
    key: "own-hold",
    figures: { "Set aside for the shopper": ["1", "0"], Sold: ["0", "1"], "Told no": ["1", "0"] },
  },
  {
    title: "Negative quantity",
    key: "negative-quantity",
    figures: { "On the shelf after": ["13", "10"], "The bill": ["-€30.00", "€0.00"] },
  },
  {
    title: "Off by one in a counter script",
    key: "off-by-one",
    figures: { Sold: ["21", "20"], "Told no": ["4", "5"], "The counter says": ["-1", "0"] },
  },
  {
    title: "Hold timer reset by adding an item",
    key: "hold-timer",
    figures: { "Still held when it should be over": ["1", "0"], Sold: ["0", "1"] },
  },
  {
    title: "Stock decremented in memory before the database",
    key: "memory-first",
    figures: { "Connections cut": ["2", "2"], "On the shelf": ["2", "0"] },
  },
  {
    title: "A coupon spent twice",
    key: "coupon-twice",
    figures: { "Orders that used the code": ["2", "1"], "Uses that its counter has": ["1", "1"] },
  },
];

test("a stranger is led to the login", async ({ page }) => {
  await page.goto("/admin/lessons");
  await expect(page).toHaveURL("/admin/login");
  const answer = await page.request.post("/api/form/admin/run-lesson", {
    form: { lesson: "own-hold" },
    headers: { Accept: "application/json" },
  });
  expect(answer.status()).toBe(401);
});

test("each card is played from the page, and says what the database says", async ({
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
    await expect(card(page, title).getByText("By the shop’s rule Sound")).toBeVisible();
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

test("a card is reached and played by keyboard alone", async ({ page, adminPassword }) => {
  await signIn(page.request, adminPassword);
  await page.goto("/admin/lessons");
  const title = "Negative quantity";
  await tabTo(page, page.getByRole("link", { name: title }));
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL("/admin/lessons#negative-quantity");
  await tabTo(page, page.getByRole("button", { name: `Run it ${title}` }));
  await page.keyboard.press("Enter");
  await expect(card(page, title).getByText("By the wrong rule Broken")).toBeVisible();
});

test("a card that there is not is refused with a sentence", async ({ page, adminPassword }) => {
  await signIn(page.request, adminPassword);
  await page.goto("/admin/lessons");
  await page
    .locator("#own-hold input[name=lesson]")
    .evaluate((field: HTMLInputElement) => (field.value = "no-such-lesson"));
  await page.getByRole("button", { name: "Run it A cart blocked by its own hold" }).click();
  await expect(page.getByRole("alert")).toContainText("there is no such lesson");
  await expect(page.getByRole("alert")).toContainText("The lesson came to no result.");
  await expectAccessible(page);
});
