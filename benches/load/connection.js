// A connection that sends one request at a time and keeps nothing of an answer but its status:
// the clients must not need more of the machine than the shop.

import { connect } from 'node:net';

const HEAD_END = '\r\n\r\n';
const CHUNKS_END = '0\r\n\r\n';
// Where a status is in the first line of an answer.
const STATUS = [9, 12];

export class Connection {
  #socket;
  #answered = null;
  #timer = null;
  #sent = 0;
  #requestsMax;

  // The connection is given back to `release` when it may be used again, and to `lose` when not.
  constructor(port, requestsMax) {
    this.#requestsMax = requestsMax;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (bytes) => this.#receive(bytes));
    this.#socket.on('error', () => this.#end(0));
    this.#socket.on('close', () => this.#end(0));
  }

  get isOpen() {
    return !this.#socket.destroyed && this.#sent < this.#requestsMax;
  }

  // Calls `answered` with the status; 0 if there is no answer within `maxMs`.
  send(request, maxMs, answered) {
    this.#answered = answered;
    this.#sent += 1;
    this.#head = '';
    this.#left = null;
    this.#timer = setTimeout(() => this.close(), maxMs);
    this.#socket.write(request);
  }

  close() {
    this.#socket.destroy();
    this.#end(0);
  }

  #head = '';
  // Bytes of the body that are missing; null while the head is read, NaN for a body in chunks.
  #left = null;
  #tail = '';

  #receive(bytes) {
    if (this.#left === null) {
      this.#head += bytes.latin1Slice();
      const end = this.#head.indexOf(HEAD_END);
      if (end < 0) {
        return;
      }
      const body = this.#head.length - end - HEAD_END.length;
      const head = this.#head.slice(0, end).toLowerCase();
      const length = /\r\ncontent-length: (\d+)/.exec(head);
      this.#left = length ? Number(length[1]) - body : NaN;
      this.#tail = this.#head.slice(-CHUNKS_END.length);
      if (head.includes('\r\nconnection: close')) {
        this.#requestsMax = 0;
      }
    } else if (Number.isNaN(this.#left)) {
      this.#tail = (this.#tail + bytes.latin1Slice(-CHUNKS_END.length)).slice(-CHUNKS_END.length);
    } else {
      this.#left -= bytes.length;
    }
    if (this.#left <= 0 || (Number.isNaN(this.#left) && this.#tail === CHUNKS_END)) {
      this.#end(Number(this.#head.slice(...STATUS)));
    }
  }

  #end(status) {
    clearTimeout(this.#timer);
    const answered = this.#answered;
    this.#answered = null;
    if (!this.isOpen) {
      this.#socket.destroy();
    }
    answered?.(status);
  }
}
