import { defineConfig, devices } from "@playwright/test";

import base from "./playwright.config";

// Measurements, for `npm run measure`. They run one at a time, without other tests.
export default defineConfig({
  ...base,
  workers: 1,
  globalTimeout: 60 * 60_000,
  reporter: [["list"]],
  use: { ...base.use, trace: "off", screenshot: "off" },
  projects: [
    {
      name: "measure",
      testMatch: "measure/**/*.spec.ts",
      use: { ...devices["Desktop Chrome"], viewport: { width: 1280, height: 800 } },
    },
  ],
});
