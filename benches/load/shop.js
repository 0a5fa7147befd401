// A shop of its own on an embedded PostgreSQL, with enough units, and what can be seen of it from
// outside.

import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, chmodSync, openSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

const PRODUCTS = 8;
const UNITS = '1000000';
const READY_MAX_MS = 120_000;
const STOPPED_MAX_MS = 30_000;

export class Shop {
  #folder = mkdtempSync(join(tmpdir(), 'doorbuster-load-'));
  #program;
  #process;
  #password = randomBytes(16).toString('hex');
  #cookie = '';
  products = [];

  constructor(program, port) {
    this.#program = program;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#metrics = `127.0.0.1:${port + 1}`;
    // PostgreSQL runs under an account of its own if this program runs as root.
    chmodSync(this.#folder, 0o755);
  }

  #metrics;

  async start() {
    const log = openSync(join(this.#folder, 'log'), 'w');
    const { DATABASE_URL, REDIS_URL, PUBLIC_URL, ...environment } = process.env;
    this.#process = spawn(this.#program, ['serve'], {
      cwd: this.#folder,
      stdio: ['ignore', log, log],
      env: {
        ...environment,
        DOORBUSTER_ADDR: `127.0.0.1:${this.port}`,
        DOORBUSTER_DATA: this.#data,
        METRICS_ADDR: this.#metrics,
        ADMIN_PASSWORD: this.#password,
        TRUSTED_PROXIES: '127.0.0.1',
      },
    });
    await this.#until('ready', READY_MAX_MS, async () => (await fetch(`${this.url}/readyz`)).ok);
    await this.#fillStock();
  }

  async stop() {
    if (this.#process?.exitCode === null) {
      const ended = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill();
      const kill = setTimeout(() => this.#process.kill('SIGKILL'), STOPPED_MAX_MS);
      await ended;
      clearTimeout(kill);
    }
    this.#stopProvider();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  // Runs the audit of the whole history. Returns its exit code, 0 without violations.
  audit() {
    try {
      const environment = { ...process.env, DOORBUSTER_DATA: this.#data };
      delete environment.DATABASE_URL;
      execFileSync(this.#program, ['audit', '--fast'], { env: environment, stdio: 'inherit' });
      return 0;
    } catch (error) {
      return error.status ?? 1;
    }
  }

  // Leaves a processor of its own to the clients. Returns false if there is none.
  leaveProcessorToClients() {
    const last = availableParallelism() - 1;
    if (last < 1) {
      return false;
    }
    try {
      for (const pid of [this.#process.pid, this.#postmaster, ...children(this.#postmaster)]) {
        execFileSync('taskset', ['--all-tasks', '-cp', `0-${last - 1}`, `${pid}`]);
      }
      execFileSync('taskset', ['--all-tasks', '-cp', `${last}`, `${process.pid}`]);
      return true;
    } catch {
      return false;
    }
  }

  async sample() {
    const pid = this.#process.pid;
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const text = await (await fetch(`http://${this.#metrics}/metrics`)).text();
    return {
      rssMb: Number(/^VmRSS:\s+(\d+)/m.exec(status)[1]) / 1_024,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      connections: children(this.#postmaster).length,
      series: text.split('\n').filter((line) => line && !line.startsWith('#')).length,
    };
  }

  get #data() {
    return join(this.#folder, 'data');
  }

  get #postmaster() {
    const file = readFileSync(join(this.#data, 'postgres', 'postmaster.pid'), 'utf8');
    return Number(file.split('\n')[0]);
  }

  // The provider outlives the shop for a minute.
  #stopProvider() {
    try {
      const file = readFileSync(join(this.#data, 'provider.json'), 'utf8');
      process.kill(JSON.parse(file).pid);
    } catch {
      // It has ended.
    }
  }

  async #fillStock() {
    await this.#post('admin/login', { password: this.#password });
    const all = await (await fetch(`${this.url}/api/products`)).json();
    const sold = all.filter((product) => product.state === 'open' && !product.perCustomerLimit);
    this.products = sold.slice(0, PRODUCTS);
    for (const { id } of this.products) {
      const key = randomBytes(16).toString('hex');
      const fields = { product_id: `${id}`, counted: UNITS, reason: 'load', idempotency_key: key };
      await this.#post('admin/take-stock', fields);
    }
  }

  async #post(form, fields) {
    const answer = await fetch(`${this.url}/api/form/${form}`, {
      method: 'POST',
      redirect: 'manual',
      headers: { Accept: 'text/html', Referer: `${this.url}/admin`, Cookie: this.#cookie },
      body: new URLSearchParams(fields),
    });
    if (answer.status >= 400) {
      throw new Error(`${form}: ${answer.status}`);
    }
    this.#cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? this.#cookie;
  }

  async #until(state, maxMs, isSo) {
    const begin = performance.now();
    while (!(await isSo().catch(() => false))) {
      if (this.#process.exitCode !== null || performance.now() - begin > maxMs) {
        const log = readFileSync(join(this.#folder, 'log'), 'utf8').trim().split('\n');
        throw new Error(`the shop is not ${state}: ${log.at(-1)}`);
      }
      await new Promise((resume) => setTimeout(resume, 200));
    }
  }
}

function children(pid) {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text ? text.split(' ').map(Number) : [];
}
