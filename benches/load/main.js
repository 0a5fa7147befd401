// Loads a shop of its own with pages and purchases:
//     ./makew load steady [--minutes 30]                  what grows: memory, descriptors …
//     ./makew load overload [--factor 5] [--seconds 60]   what is served beyond the capacity
// --paying (10) is the percentage of the requests that buy; all others read the page of a product.
// --probe-seconds (5) is the time of each measurement of the capacity. DOORBUSTER_PROGRAM is
// another program than the release build, LOAD_PORT (17500) the first of two ports.
// Exit 0: everything is as wanted. 1: it is not. 2: wrong usage.

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { Clients } from './clients.js';
import { overload } from './overload.js';
import { Shop } from './shop.js';
import { steady } from './steady.js';

const DRILLS = { steady, overload };
const USAGE = `usage: ./makew load steady [--minutes N] [--paying PERCENT]
       ./makew load overload [--factor N] [--seconds N] [--paying PERCENT]`;

function options() {
  try {
    const number = (preset) => ({ type: 'string', default: preset });
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: {
        minutes: number('30'),
        factor: number('5'),
        seconds: number('60'),
        paying: number('10'),
        'probe-seconds': number('5'),
      },
    });
    const names = ['minutes', 'factor', 'seconds', 'paying', 'probe-seconds'];
    const [minutes, factor, seconds, paying, probeSeconds] = names.map((name) => Number(values[name]));
    const isValid =
      [minutes, factor, seconds, probeSeconds].every((value) => value > 0) &&
      paying >= 0 &&
      paying <= 100;
    if (isValid && positionals.length === 1 && positionals[0] in DRILLS) {
      return { drill: positionals[0], minutes, factor, seconds, paying, probeSeconds };
    }
  } catch {
    // An unknown option.
  }
  console.error(USAGE);
  process.exit(2);
}

const chosen = options();
const program = resolve(process.env.DOORBUSTER_PROGRAM ?? 'target/release/doorbuster');
const shop = new Shop(program, Number(process.env.LOAD_PORT ?? 17500));
let isGood = false;
const interrupted = async () => {
  await shop.stop();
  process.exit(130);
};
process.once('SIGINT', interrupted);
process.once('SIGTERM', interrupted);
try {
  await shop.start();
  if (!shop.leaveProcessorToClients()) {
    console.log('The clients have no processor of their own: they slow down the shop.');
  }
  const clients = new Clients(shop.port, shop.products, chosen.paying / 100);
  isGood = await DRILLS[chosen.drill](clients, shop, chosen);
  clients.close();
} catch (error) {
  console.error(`load: ${error.message}`);
} finally {
  await shop.stop();
}
process.exitCode = isGood ? 0 : 1;
