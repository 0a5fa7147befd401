// Measures how much the shop can serve, in a closed loop.

const CLIENTS = [16, 32, 64, 128];

// Returns the most answers a second for the mixture of pages and purchases, with its tally, and for
// purchases alone and pages alone.
export async function measureCapacity(clients, seconds) {
  // The first pages compile their statements and fill the caches.
  await clients.closedLoop(CLIENTS[0], seconds);
  let best = null;
  for (const number of CLIENTS) {
    const tally = await clients.closedLoop(number, seconds);
    if (!best || tally.perSecond > best.tally.perSecond) {
      best = { number, tally };
    }
  }
  const alone = async (payingShare) =>
    (await clients.closedLoop(best.number, seconds, payingShare)).perSecond;
  const capacity = { paying: await alone(1), browsing: await alone(0) };
  const { number, tally } = best;
  return { ...capacity, perSecond: tally.perSecond, clients: number, tally };
}

export function describe(capacity) {
  const each = (number) => number.toFixed(0);
  return (
    `capacity: ${each(capacity.perSecond)} answers a second with ${capacity.clients} clients; ` +
    `${each(capacity.paying)} purchases or ${each(capacity.browsing)} pages alone`
  );
}
