// Loads the shop beyond its capacity, and shows what is served then, how fast, to whom, and how
// soon everything is served again.

import { describe, measureCapacity } from './capacity.js';

const GOODPUT_MIN = 0.8;
const P99_MAX_MS = 1_000;
const RECOVERY_MAX_S = 5;
// Clients that are later than this no longer send what they should.
const LATE_MAX_MS = 50;
const RECOVERY_SECONDS = 15;

// Returns whether everything is as wanted.
export async function overload(clients, _shop, { factor, seconds, probeSeconds }) {
  const capacity = await measureCapacity(clients, probeSeconds);
  console.log(describe(capacity));
  const tally = await clients.openLoop(factor * capacity.perSecond, seconds);
  const after = await clients.openLoop(capacity.perSecond / 2, RECOVERY_SECONDS);
  const goodput = tally.work(capacity) / capacity.tally.work(capacity);
  const recoveryS = Math.max(0, after.lastBadAt - tally.endedAt) / 1_000;
  const percent = (part) => `${(100 * part).toFixed(1)} %`;
  const rows = [
    ['goodput ÷ peak', percent(goodput), `≥ ${percent(GOODPUT_MIN)}`, goodput >= GOODPUT_MIN],
    [
      'p99 of what was served',
      `${tally.p99Ms.toFixed(0)} ms`,
      `< ${P99_MAX_MS} ms`,
      tally.p99Ms < P99_MAX_MS,
    ],
    [
      'purchases served; pages served',
      `${percent(tally.paying.servedShare)}; ${percent(tally.browsing.servedShare)}`,
      'purchases first',
      tally.browsing.all === 0 || tally.paying.servedShare >= tally.browsing.servedShare,
    ],
    ['recovery', `${recoveryS.toFixed(1)} s`, `≤ ${RECOVERY_MAX_S} s`, recoveryS <= RECOVERY_MAX_S],
    ['failed, neither served nor refused', `${tally.failed}`, '0', tally.failed === 0],
    [
      'requests that the clients sent late, p99; not sent',
      `${tally.lateP99Ms.toFixed(0)} ms; ${tally.unsent}`,
      `≤ ${LATE_MAX_MS} ms; 0`,
      tally.lateP99Ms <= LATE_MAX_MS && tally.unsent === 0,
    ],
  ];
  console.log(`${factor} times as much for ${seconds} s:`);
  console.log(`${tally.perSecond.toFixed(0)} answers a second, ${tally.refused} refusals\n`);
  console.log('| what | measured | wanted | |\n|---|---|---|---|');
  for (const [what, measured, wanted, isGood] of rows) {
    console.log(`| ${what} | ${measured} | ${wanted} | ${isGood ? 'yes' : '**no**'} |`);
  }
  return rows.every(([, , , isGood]) => isGood);
}
