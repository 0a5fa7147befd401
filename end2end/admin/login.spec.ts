import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { signIn } from "../fixtures/administrator";
import { FLASK } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import { addToCart, expectCartBadge } from "../fixtures/shopper";

const NO_RUN = "00000000-0000-4000-8000-000000000000";
/** Passwords that one address may try at once. */
const TRIES = 10;

for (const path of [
  "/admin",
  "/admin/stock",
  "/admin/discounts",
  `/admin/orders/${NO_RUN}`,
  "/admin/simulations",
  `/admin/simulations/${NO_RUN}`,
]) {
  test(`a stranger who opens ${path} is led to the staff door`, async ({ page }) => {
    await page.goto(path);
    await expect(page).toHaveURL("/admin/login");
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Staff door");
  });
}

test("a stranger’s requests to what is behind the counter are refused with 401", async ({
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
    await request.post("/api/form/admin/take-stock", { form: { product_id: "1", counted: "0" } }),
    await request.post("/api/form/admin/create-code", { form: { code: "FREE" } }),
  ]) {
    expect(answer.status(), answer.url()).toBe(401);
    expect(answer.headers()["content-type"]).toBe("application/problem+json");
    expect((await answer.json()).detail).toBe("Please sign in first.");
  }
});

test("a wrong password is refused, and opens nothing", async ({ page }) => {
  await page.goto("/admin/login");
  await page.getByLabel("Password").fill("open sesame");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page).toHaveURL("/admin/login");
  await expect(page.getByRole("alert")).toContainText("That password is not right.");
  await expect(page.getByLabel("Password")).toHaveValue("");
  await expectAccessible(page);
  await page.goto("/admin");
  await expect(page).toHaveURL("/admin/login");
  await expect(page.getByRole("alert")).toHaveCount(0);
});

test("the right password opens the door, and signing out shuts it for good", async ({
  page,
  context,
  adminPassword,
}) => {
  await page.goto("/admin/login");
  await page.getByLabel("Password").fill(adminPassword);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page).toHaveURL("/admin");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Behind the counter");
  await expect(page.getByRole("region", { name: "Stock audit" })).toContainText(
    "Every unit accounted for",
  );

  const cookies = await context.cookies();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL("/");
  // The old cookie is worth nothing either.
  for (const restored of [[], cookies]) {
    await context.addCookies(restored);
    await page.goto("/admin");
    await expect(page).toHaveURL("/admin/login");
  }
});

test("scripts and other sites never see the session, and signing in gives it a new name", async ({
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
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Behind the counter");
  expect(await session()).not.toBe(before);
  await expectCartBadge(page, 1);

  await context.clearCookies();
  await context.addCookies([{ name: "doorbuster", value: before, url: page.url() }]);
  await page.goto("/admin");
  await expect(page).toHaveURL("/admin/login");
});

test("whoever guesses too often has to wait, and nobody else", async ({
  page,
  request,
  playwright,
  shop,
  adminPassword,
}) => {
  // All at once: who takes his time is given another try now and then.
  const guesses = await Promise.all(
    Array.from({ length: TRIES + 2 }, (_, number) =>
      request.post("/api/form/admin/login", { form: { password: `guess ${number}` } }),
    ),
  );
  const refused = guesses.filter((answer) => answer.status() === 429);
  expect(refused).toHaveLength(2);
  for (const answer of refused) {
    expect(Number(answer.headers()["retry-after"])).toBeGreaterThan(0);
    expect((await answer.json()).detail).toMatch(/^Too many requests\. Try again in \d+ s\.$/);
  }

  // Not even with the right one.
  await page.goto("/admin/login");
  await page.getByLabel("Password").fill(adminPassword);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toContainText(/Too many requests\. Try again in \d+ s\./);

  const elsewhere = await playwright.request.newContext({
    baseURL: shop.url,
    extraHTTPHeaders: { "X-Forwarded-For": "192.0.2.1" },
  });
  await signIn(elsewhere, adminPassword);
  await elsewhere.dispose();
});

test("every page behind the counter can be read by everybody and fits its window", async ({
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

test.describe("what is not there", () => {
  test.use({ expectedComplaint: /the server responded with a status of 404/ });

  test("an unknown run is answered by a page, with status 404", async ({ page, adminPassword }) => {
    await signIn(page.request, adminPassword);
    for (const id of [NO_RUN, "first"]) {
      const response = await page.goto(`/admin/simulations/${id}`);
      expect(response?.status()).toBe(404);
      await expect(page.getByRole("main")).toContainText("There is no such simulation run.");
    }
  });
});
