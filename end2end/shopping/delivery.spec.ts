import type { APIRequestContext } from "@playwright/test";

import { signIn } from "../fixtures/administrator";
import { SMARTPHONE } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import { waitForIslands } from "../fixtures/shopper";

const PAGES = [
  "/",
  `/products/${SMARTPHONE.slug}`,
  "/cart",
  "/checkout",
  "/checkout/now",
  "/admin/login",
  "/admin",
  "/admin/products",
  "/admin/stock",
  "/admin/discounts",
  "/admin/simulations",
  "/orders/find",
  "/api/docs",
  "/api/problems",
  "/no/such/page",
];
/** Maximum transfer size of a product page's JavaScript and WebAssembly. */
const SCRIPTS_KB_MAX = 90;
/** The generated code of the islands: `shop.js` and its WebAssembly. */
const BUNDLE_KB_MAX = 80;

for (const path of PAGES) {
  test(`${path} sends security headers and has no inline styles`, async ({
    request,
    adminPassword,
  }) => {
    if (path.startsWith("/admin") && path !== "/admin/login") {
      await signIn(request, adminPassword);
    }
    const response = await request.get(path, { headers: { Accept: "text/html" } });
    expect(new URL(response.url()).pathname).toBe(path);
    const headers = response.headers();
    expect(headers).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "same-origin",
    });
    const policy = headers["content-security-policy"] ?? "";
    for (const rule of [
      "default-src 'none'",
      "style-src 'self'",
      "form-action 'self'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ]) {
      expect(policy.split("; ")).toContain(rule);
    }
    expect(policy).not.toContain("unsafe-inline");
    expect(policy).not.toContain("'unsafe-eval'");

    const html = await response.text();
    expect(html).not.toMatch(/<style|\sstyle=|\son[a-z]+=/);
    const nonce = /'nonce-([^']+)'/.exec(policy)?.[1];
    expect(nonce).toMatch(/^[\w+/=-]{16,}$/);
    // JSON-LD is data, which no policy concerns.
    const inlineScripts = [...html.matchAll(/<script(?![^>]*\ssrc=)[^>]*>/g)]
      .map(([tag]) => tag)
      .filter((tag) => !tag.includes("application/ld+json"));
    for (const tag of inlineScripts) {
      expect(tag).toContain(`nonce="${nonce}"`);
    }
    const again = await request.get(path, { headers: { Accept: "text/html" } });
    expect(again.headers()["content-security-policy"]).not.toContain(nonce);
  });
}

test("responses other than pages forbid loading and framing", async ({ request }) => {
  for (const path of ["/healthz", "/readyz", "/api/products", "/api/purchase"]) {
    expect((await request.get(path)).headers(), path).toMatchObject({
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
    });
  }
});

test("files are cached for a year and compressed where that is smaller", async ({
  request,
}) => {
  const files = new Set<string>();
  for (const path of ["/", `/products/${SMARTPHONE.slug}`]) {
    for (const [, file] of (await (await request.get(path)).text()).matchAll(
      /"(\/assets\/[^"]+)"/g,
    )) {
      files.add(file!);
    }
  }
  const kinds = new Set<string>();
  for (const file of files) {
    const response = await request.get(file, { headers: { "Accept-Encoding": "br" } });
    await expect(response, file).toBeOK();
    expect(response.headers(), file).toMatchObject({
      "cache-control": "public, max-age=31536000, immutable",
      vary: "Accept-Encoding",
      "x-content-type-options": "nosniff",
    });
    expect(response.headers()["content-encoding"], file).toBe("br");
    kinds.add(response.headers()["content-type"]!.split(";")[0]!);
  }
  expect([...kinds].toSorted()).toEqual([
    "application/wasm",
    "image/png",
    "image/svg+xml",
    "text/css",
    "text/javascript",
  ]);

  const style = [...files].find((file) => file.endsWith(".css"))!;
  const plain = await request.get(style, { headers: { "Accept-Encoding": "identity" } });
  expect(plain.headers()).not.toHaveProperty("content-encoding");
  const known = await request.get(style, {
    headers: { "If-None-Match": plain.headers().etag! },
  });
  expect(known.status()).toBe(304);
  const elsewhere = await request.get(style.replace(/\/assets\/[^/]+/, "/assets/another-release"));
  expect(elsewhere.headers()["cache-control"]).toBe("no-cache");
  expect((await request.get(style.replace(".css", ".scss"))).status()).toBe(404);
});

test("a page without islands loads only the small scripts of all pages", async ({ page }) => {
  const scripts: string[] = [];
  page.on("request", (request) => {
    if (request.resourceType() === "script") {
      scripts.push(new URL(request.url()).pathname);
    }
  });
  await page.goto("/orders/find");
  await expect(page.locator("script[src]")).toHaveCount(2);
  expect(scripts.toSorted()).toEqual([
    expect.stringMatching(/\/local_times\.js$/),
    expect.stringMatching(/\/page\.js$/),
  ]);
});

for (const path of [`/products/${SMARTPHONE.slug}`, "/categories/home", "/search?q=phone"]) {
  test(`the scripts of ${path} transfer at most ${SCRIPTS_KB_MAX} kB over the wire`, async ({
    page,
    request,
  }) => {
    const scripts: string[] = [];
    page.on("request", (request) => {
      if (/\.(js|wasm)$/.test(request.url())) {
        scripts.push(request.url());
      }
    });
    await page.goto(path);
    await waitForIslands(page);
    const all = await sizeOf(request, scripts);
    expect(all).toBeLessThanOrEqual(SCRIPTS_KB_MAX * 1_000);
    const bundle = scripts.filter((script) => /\/pkg\/shop/.test(script));
    expect(bundle).toHaveLength(2);
    expect(await sizeOf(request, bundle)).toBeLessThanOrEqual(BUNDLE_KB_MAX * 1_000);
  });
}

async function sizeOf(request: APIRequestContext, urls: string[]): Promise<number> {
  const sizes = await Promise.all(urls.map((url) => sizeOverTheWire(request, url)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function sizeOverTheWire(request: APIRequestContext, url: string): Promise<number> {
  const response = await request.head(url, { headers: { "Accept-Encoding": "br" } });
  return Number(response.headers()["content-length"]);
}
