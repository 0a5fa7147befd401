import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { signIn } from "../fixtures/administrator";
import { FLASK } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import { addToCart, expectCartBadge } from "../fixtures/shopper";

const NO_RUN = "00000000-0000-4000-8000-000000000000";
/** Number of passwords that one address may try in a burst. */
const TRIES = 10;

for (const path of [
  "/admin",
  "/admin/products",
  "/admin/products/flash-sale-smartphone",
  "/admin/stock",
  "/admin/discounts",
  `/admin/orders/${NO_RUN}`,
  "/admin/simulations",
  `/admin/simulations/${NO_RUN}`,
]) {
  test(`${path} redirects a visitor who is not signed in to the sign-in page`, async ({ page }) => {
    await page.goto(path);
    await expect(page).toHaveURL("/admin/login");
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Admin sign-in");
  });
}

test("admin requests without a session are rejected with 401", async ({
  request,
}) => {
  for (const answer of [
    await request.get("/admin"),
    await request.get(`/live/simulations/${NO_RUN}`),
    await request.post("/api/form/admin/simulate", { form: { buyers: "1" } }),
    await request.post("/api/form/admin/logout", { form: {} }),
    await request.post("/api/form/admin/audit", { form: {} }),
    await request.post("/api/form/admin/order", { form: { order_id: NO_RUN, act: "cancel" } }),
    await request.post("/api/form/admin/receive", { form: { product_id: "1", quantity: "1" } }),
    await request.post("/api/form/admin/plan-sale", { form: { product_id: "1", price: "1" } }),
    await request.post("/api/form/admin/change-sale", { form: { product_id: "1", act: "end" } }),
    await request.post("/api/form/admin/take-stock", { form: { product_id: "1", counted: "0" } }),
    await request.post("/api/form/admin/create-code", { form: { code: "FREE" } }),
  ]) {
    expect(answer.status(), answer.url()).toBe(401);
    expect(answer.headers()["content-type"]).toBe("application/problem+json");
    expect((await answer.json()).detail).toBe("Sign in first.");
  }
});

test("a wrong password is rejected and grants no access", async ({ page }) => {
  await page.goto("/admin/login");
  await page.getByLabel("Password").fill("open sesame");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page).toHaveURL("/admin/login");
  await expect(page.getByRole("alert")).toContainText("Wrong password.");
  await expect(page.getByLabel("Password")).toHaveValue("");
  await expectAccessible(page);
  await page.goto("/admin");
  await expect(page).toHaveURL("/admin/login");
  await expect(page.getByRole("alert")).toHaveCount(0);
});

test("the right password signs in, and signing out ends the session for good", async ({
  page,
  context,
  adminPassword,
}) => {
  await page.goto("/admin/login");
  await page.getByLabel("Password").fill(adminPassword);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page).toHaveURL("/admin");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Admin");
  await expect(page.getByRole("region", { name: "Stock audit" })).toContainText(
    "Every unit accounted for",
  );

  const cookies = await context.cookies();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL("/");
  // The old cookie is invalid as well.
  for (const restored of [[], cookies]) {
    await context.addCookies(restored);
    await page.goto("/admin");
    await expect(page).toHaveURL("/admin/login");
  }
});

test("the session cookie is hidden from scripts and other sites, and signing in renews its id", async ({
  page,
  context,
  adminPassword,
}) => {
  const session = async () => {
    const cookies = await context.cookies();
    expect(cookies).toHaveLength(1);
    expect(cookies[0]).toMatchObject({ httpOnly: true, sameSite: "Lax", path: "/" });
    return cookies[0]!.value;
  };
  await addToCart(page, FLASK);
  await expectCartBadge(page, 1);
  const before = await session();
  expect(await page.evaluate(() => document.cookie)).toBe("");
  await page.goto("/admin/login");
  await page.getByLabel("Password").fill(adminPassword);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Admin");
  expect(await session()).not.toBe(before);
  await expectCartBadge(page, 1);

  await context.clearCookies();
  await context.addCookies([{ name: "doorbuster", value: before, url: page.url() }]);
  await page.goto("/admin");
  await expect(page).toHaveURL("/admin/login");
});

test("an address that guesses too often has to wait, and no other address", async ({
  page,
  request,
  playwright,
  shop,
  adminPassword,
}) => {
  // All at once: slower guesses would get new attempts over time.
  const guesses = await Promise.all(
    Array.from({ length: TRIES + 2 }, (_, number) =>
      request.post("/api/form/admin/login", { form: { password: `guess ${number}` } }),
    ),
  );
  const rateLimited = guesses.filter((answer) => answer.status() === 429);
  expect(rateLimited).toHaveLength(2);
  for (const answer of rateLimited) {
    expect(Number(answer.headers()["retry-after"])).toBeGreaterThan(0);
    expect((await answer.json()).detail).toMatch(/^Too many wrong passwords were sent from your internet address\. Try again in \d+ s\.$/);
  }

  // The right password is rejected as well.
  await page.goto("/admin/login");
  await page.getByLabel("Password").fill(adminPassword);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toContainText(/Too many wrong passwords were sent from your internet address\. Try again in \d+ s\./);

  const elsewhere = await playwright.request.newContext({
    baseURL: shop.url,
    extraHTTPHeaders: { "X-Forwarded-For": "192.0.2.1" },
  });
  await signIn(elsewhere, adminPassword);
  await elsewhere.dispose();
});

test("every admin page is accessible and fits the window", async ({
  page,
  adminPassword,
}) => {
  await page.goto("/admin/login");
  await expectAccessible(page);
  await signIn(page.request, adminPassword);
  for (const path of [
    "/admin",
    "/admin/stock",
    "/admin/discounts",
    "/admin/lessons",
    "/admin/simulations",
    "/admin/simulations/runs",
    "/admin/stepper",
    "/admin/strategies/conditional-update",
  ]) {
    await page.goto(path);
    await expectAccessible(page);
    const size = page.viewportSize()!;
    await page.setViewportSize({ width: 390, height: 844 });
    await expectNoSidewaysScroll(page);
    await page.setViewportSize(size);
  }
});

test.describe("missing pages", () => {
  test.use({ expectedComplaint: /the server responded with a status of 404/ });

  test("an unknown run returns a page with status 404", async ({ page, adminPassword }) => {
    await signIn(page.request, adminPassword);
    for (const id of [NO_RUN, "first"]) {
      const response = await page.goto(`/admin/simulations/${id}`);
      expect(response?.status()).toBe(404);
      await expect(page.getByRole("main")).toContainText("This simulation run does not exist.");
    }
  });
});
