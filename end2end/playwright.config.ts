import { devices, defineConfig } from "@playwright/test";

import { systemChromium } from "./fixtures/chromium";

const inContinuousIntegration = Boolean(process.env.CI);

export default defineConfig({
  testDir: ".",
  outputDir: "test-results",
  globalSetup: "./fixtures/global_setup.ts",
  // No retries: a test that passes only at the second attempt has found a defect.
  retries: 0,
  // Browsers, server and PostgreSQL share the machine: a third worker saves a minute of ten, and
  // makes tests late that measure times.
  workers: 2,
  forbidOnly: inContinuousIntegration,
  timeout: 60_000,
  globalTimeout: 30 * 60_000,
  expect: { timeout: 10_000 },
  reporter: [["list"], ["html", { open: "never" }]],
  use: {
    // A trace of every test would take a quarter of the time. To trace one: --trace on.
    trace: "off",
    screenshot: "only-on-failure",
    launchOptions: {
      // If undefined, Playwright uses its own browser.
      executablePath: systemChromium(),
      args: [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        // Chromium's sandbox does not work for root.
        ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      ],
    },
  },
  projects: [
    {
      name: "desktop",
      testMatch: ["shopping/**/*.spec.ts", "admin/**/*.spec.ts"],
      use: { ...devices["Desktop Chrome"], viewport: { width: 1280, height: 800 } },
    },
    {
      name: "mobile",
      // The tests that depend on the layout or on touch; what a form does is tested on the desktop.
      testMatch: "shopping/**/*.spec.ts",
      grep: /@phone/,
      use: { ...devices["Pixel 7"], viewport: { width: 390, height: 844 } },
    },
    {
      name: "no-js",
      testMatch: "no-js/**/*.spec.ts",
      use: {
        ...devices["Desktop Chrome"],
        viewport: { width: 1280, height: 800 },
        javaScriptEnabled: false,
      },
    },
  ],
});
