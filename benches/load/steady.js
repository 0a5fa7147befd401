// Loads the shop at a steady rate, and shows what grows meanwhile.

import { describe, measureCapacity } from './capacity.js';

const RATE_SHARE = 0.5;
const SAMPLES = 60;
const GROWTH = {
  rssMb: { name: 'memory (RSS), MB', max: 1.1 },
  // Most are those of the clients. Without them, as many are open after the load as before it.
  descriptors: { name: 'open descriptors', max: Infinity },
  connections: { name: 'processes of the database', max: 1.1 },
  series: { name: 'series in /metrics', max: 1 },
};
// Connections for the figures, and of a pool that had not been full.
const DESCRIPTORS_LEFT_MAX = 8;
// The server closes the connections of clients that are gone within this time.
const CLOSED_WITHIN_MS = 5_000;

// Returns whether nothing leaks.
export async function steady(clients, shop, { minutes, probeSeconds }) {
  const capacity = await measureCapacity(clients, probeSeconds);
  console.log(describe(capacity));
  // The pools are full by now.
  const before = await withoutClients(clients, shop);
  const rate = RATE_SHARE * capacity.perSecond;
  const everyS = Math.max(1, (minutes * 60) / SAMPLES);
  const samples = [];
  const take = async () => {
    samples.push({ minute: performance.now() / 60_000, ...(await shop.sample()) });
  };
  const timer = setInterval(() => void take(), everyS * 1_000);
  const tally = await clients.openLoop(rate, minutes * 60);
  clearInterval(timer);
  console.log(
    `${rate.toFixed(0)} requests a second for ${minutes} minutes: ${tally.served} served, ` +
      `${tally.refused} refused, ${tally.failed} failed; p99 ${tally.p99Ms.toFixed(0)} ms\n`,
  );
  const grew = report(samples);
  const left = await withoutClients(clients, shop);
  console.log(`\nopen descriptors without clients, before and after: ${before} and ${left}`);
  const audit = shop.audit();
  const isLeaking = grew || left > before + DESCRIPTORS_LEFT_MAX;
  return !isLeaking && audit === 0 && tally.failed === 0;
}

// Prints a row for each figure. Returns true if one grew too much in the second half: the first one
// fills caches and pools.
function report(samples) {
  console.log('| what | first | last | least | most | an hour of this adds | |');
  console.log('|---|---|---|---|---|---|---|');
  let grew = false;
  for (const [key, { name, max }] of Object.entries(GROWTH)) {
    const values = samples.map((sample) => sample[key]);
    const half = samples.slice(Math.floor(samples.length / 2));
    const perHour = slope(half.map(({ minute }) => minute / 60), half.map((sample) => sample[key]));
    const third = Math.ceil(half.length / 3);
    const mean = (part) => part.reduce((sum, sample) => sum + sample[key], 0) / part.length;
    const isTooMuch = mean(half.slice(-third)) > max * mean(half.slice(0, third));
    grew ||= isTooMuch;
    const cells = [values[0], values.at(-1), Math.min(...values), Math.max(...values), perHour];
    const numbers = cells.map((value) => value.toFixed(1)).join(' | ');
    const judged = isTooMuch ? '**grows**' : 'level';
    console.log(`| ${name} | ${numbers} | ${max === Infinity ? 'see below' : judged} |`);
  }
  return grew;
}

// The slope of the line with the least squares.
function slope(xs, ys) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(xs), mean(ys)];
  const above = xs.reduce((sum, value, index) => sum + (value - x) * (ys[index] - y), 0);
  return above / xs.reduce((sum, value) => sum + (value - x) ** 2, 0);
}

// Closes the connections of the clients, and returns the descriptors that are left.
async function withoutClients(clients, shop) {
  clients.close();
  await new Promise((resume) => setTimeout(resume, CLOSED_WITHIN_MS));
  return (await shop.sample()).descriptors;
}
