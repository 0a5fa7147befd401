import { RUN_ADDRESS, signIn, simulateButton } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";
import { waitForIslands } from "../fixtures/shopper";
import { formatReport, scriptTime } from "./script_time";

// Measures the script time of a run's page in a real browser while real crowds buy. The crowd, the
// shop, its database and the browser share the machine.

test.use({ ownShop: true });

const WATCHED_S = 10;
const SIX = ["row-lock", "conditional-update", "optimistic", "single-statement", "micro-batch", "unguarded"];

for (const [name, plan] of [
  ["10,000 buyers", "buyers=10000&stock=25000&rounds=3"],
  ["6 lanes of 1,000 buyers", `strategies=${SIX.join(",")}&together=yes&pool_size=4&buyers=1000&stock=10000&rounds=10`],
] as const) {
  test(name, async ({ page, browser, adminPassword }) => {
    test.setTimeout(300_000);
    await signIn(page.request, adminPassword);
    await page.goto(`/admin/simulations?${plan}`);
    await simulateButton(page).click();
    await expect(page).toHaveURL(RUN_ADDRESS);
    await waitForIslands(page);
    const time = await scriptTime(browser, page, () => page.waitForTimeout(WATCHED_S * 1_000));
    await expect(page.getByTestId("run-state"), "the measurement covered a running run").toHaveText("Running");
    console.log(formatReport(name, time));
    await page.getByRole("button", { name: /^Abort/ }).click();
    await expect(page.getByTestId("run-state")).toHaveText("Aborted", { timeout: 60_000 });
    expect(time.frames).toBeGreaterThan(WATCHED_S * 2);
  });
}
