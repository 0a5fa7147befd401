// Clients that browse and buy: in a closed loop, in which each waits for its answer, and in an open
// loop, in which requests arrive at a rate however the shop answers.

import { randomUUID } from 'node:crypto';

import { Connection } from './connection.js';
import { Tally } from './tally.js';

// The shop answers within 5 s, whatever happens.
const ANSWER_MAX_MS = 10_000;
// A browser does not keep a connection for longer.
const REQUESTS_PER_CONNECTION = 100;
const CONNECTIONS_MAX = 4_000;

export class Clients {
  #port;
  #products;
  #payingShare;
  #idle = [];
  #open = 0;

  // `payingShare` is the part of the requests that buy.
  constructor(port, products, payingShare) {
    this.#port = port;
    this.#products = products;
    this.#payingShare = payingShare;
  }

  // `clients` send requests for `seconds`, each as soon as the last one is answered.
  async closedLoop(clients, seconds, payingShare = this.#payingShare) {
    const tally = new Tally(seconds);
    const until = performance.now() + seconds * 1_000;
    const client = (done) => {
      const now = performance.now();
      if (now >= until || !this.#request(now, payingShare, tally, () => client(done))) {
        done();
      }
    };
    await Promise.all(Array.from({ length: clients }, () => new Promise(client)));
    return tally;
  }

  // `perSecond` requests arrive for `seconds`. Their times count from when they should be sent.
  async openLoop(perSecond, seconds) {
    const tally = new Tally(seconds);
    const begin = performance.now();
    const all = Math.round(perSecond * seconds);
    let waiting = 0;
    for (let sent = 0; sent < all; ) {
      const now = performance.now();
      for (; sent < all && begin + (sent * 1_000) / perSecond <= now; sent += 1) {
        const due = begin + (sent * 1_000) / perSecond;
        tally.late(now - due);
        const isSent = this.#request(due, this.#payingShare, tally, () => (waiting -= 1));
        waiting += isSent ? 1 : 0;
      }
      await new Promise((resume) => setTimeout(resume, 1));
    }
    tally.endedAt = performance.now();
    while (waiting > 0) {
      await new Promise((resume) => setTimeout(resume, 10));
    }
    return tally;
  }

  // Closes every connection; none is in use between two loops.
  close() {
    this.#open -= this.#idle.length;
    for (const connection of this.#idle) {
      connection.close();
    }
    this.#idle = [];
  }

  // Returns false if no connection is left for it.
  #request(due, payingShare, tally, ended) {
    const pays = Math.random() < payingShare;
    const connection = this.#connection();
    if (!connection) {
      tally.unsent += 1;
      return false;
    }
    connection.send(pays ? this.#purchase() : this.#page(), ANSWER_MAX_MS, (status) => {
      if (connection.isOpen) {
        this.#idle.push(connection);
      } else {
        this.#open -= 1;
      }
      tally.answered(pays, status, due, performance.now());
      ended();
    });
    return true;
  }

  #connection() {
    let connection = this.#idle.pop();
    while (connection && !connection.isOpen) {
      this.#open -= 1;
      connection = this.#idle.pop();
    }
    if (!connection && this.#open < CONNECTIONS_MAX) {
      connection = new Connection(this.#port, REQUESTS_PER_CONNECTION);
      this.#open += 1;
    }
    return connection;
  }

  #page() {
    const path = `/products/${this.#product().slug}`;
    return `GET ${path} HTTP/1.1\r\nAccept: text/html\r\n${this.#client()}\r\n`;
  }

  #purchase() {
    const body = JSON.stringify({ productId: this.#product().id, quantity: 1 });
    return (
      `POST /api/purchase HTTP/1.1\r\nContent-Type: application/json\r\n` +
      `Idempotency-Key: ${randomUUID()}\r\nContent-Length: ${body.length}\r\n` +
      `${this.#client()}\r\n${body}`
    );
  }

  #product() {
    return this.#products[Math.floor(Math.random() * this.#products.length)];
  }

  // Each request is that of another network: the shop trusts this machine as its proxy.
  #client() {
    const byte = () => Math.floor(Math.random() * 256);
    return `Host: 127.0.0.1:${this.#port}\r\nX-Forwarded-For: 10.${byte()}.${byte()}.${byte()}\r\n`;
  }
}
