/**
 * Sends requests at a rate that does not wait for replies, over as many keep-alive connections as it takes up to a limit, one
 * request in flight each. Reports to the parent what became of them, in windows of time. Beside them it asks a bare server now and
 * then: what that takes is the machine's and this generator's own, and no reply can be seen to be faster.
 */
import { type Socket, connect } from 'node:net';

export interface OpenLoopPlan {
  readonly port: number;
  /** Whole HTTP requests, with PORT in the place of the port in Host. */
  readonly requests: readonly string[];
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly connectionsMax: number;
  /** Of the bare server. */
  readonly controlPort: number;
}

export interface OpenLoopReport {
  readonly seconds: number;
  /** Requests that found no free connection, and were not sent. */
  readonly unsent: number;
  readonly failed: number;
  /** Replies by status. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly answeredMsP50: number;
  readonly answeredMsP99: number;
  readonly shedMsP50: number;
  readonly shedMsP99: number;
  /** The bare server's replies. */
  readonly controlMsP50: number;
  readonly controlMsP99: number;
  /** From one turn of this generator to the next; it means to have one a millisecond. */
  readonly tickMsP99: number;
  /** Share of the requests answered with 200, by the window in which they were sent. */
  readonly windows: readonly number[];
  readonly connections: number;
}

export const WINDOW_MS = 250;
const TICK_MS = 1;
/** The bare server is asked this often, one request at a time. */
const CONTROL_EVERY_MS = 10;
const CONTENT_LENGTH = /\r\ncontent-length: (\d+)\r\n/i;
/** Replies that are waited for when the time is over. */
const LAST_REPLIES_MS = 5_000;

interface Link {
  readonly socket: Socket;
  sentMs: number;
  received: Buffer | undefined;
}

/** Asks the bare server, and keeps how long its replies took. */
class Control {
  readonly tookMs: number[] = [];
  readonly #socket: Socket;
  readonly #request: Buffer;
  #sentMs = 0;
  #isWaiting = false;

  constructor(port: number, request: Buffer) {
    this.#request = request;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('error', () => {});
    // The reply is small, and comes in one piece.
    this.#socket.on('data', () => {
      this.tookMs.push(performance.now() - this.#sentMs);
      this.#isWaiting = false;
    });
  }

  tick(nowMs: number): void {
    if (this.#isWaiting || nowMs - this.#sentMs < CONTROL_EVERY_MS) return;
    this.#isWaiting = true;
    this.#sentMs = nowMs;
    this.#socket.write(this.#request);
  }

  close(): void {
    this.#socket.destroy();
  }
}

class Generator {
  readonly #plan: OpenLoopPlan;
  readonly #requests: readonly Buffer[];
  readonly #free: Link[] = [];
  readonly #links = new Set<Link>();
  readonly #answeredMs: number[] = [];
  readonly #shedMs: number[] = [];
  readonly #statuses = new Map<string, number>();
  readonly #tickMs: number[] = [];
  readonly #control: Control;
  readonly #windows: { sent: number; answered: number }[] = [];
  #startMs = 0;
  #sent = 0;
  #unsent = 0;
  #failed = 0;
  #inFlight = 0;

  constructor(plan: OpenLoopPlan) {
    this.#plan = plan;
    this.#requests = plan.requests.map((text) => Buffer.from(text.replace('127.0.0.1:PORT', `127.0.0.1:${plan.port}`)));
    this.#control = new Control(plan.controlPort, this.#requests[0] as Buffer);
  }

  async run(): Promise<OpenLoopReport> {
    const { ratePerSecond, seconds } = this.#plan;
    this.#startMs = performance.now();
    let lastMs = this.#startMs;
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        const nowMs = performance.now();
        const elapsedMs = nowMs - this.#startMs;
        this.#tickMs.push(nowMs - lastMs);
        lastMs = nowMs;
        this.#control.tick(nowMs);
        const due = Math.floor((Math.min(elapsedMs, seconds * 1_000) * ratePerSecond) / 1_000);
        while (this.#sent + this.#unsent < due) this.#arrive();
        if (elapsedMs < seconds * 1_000) return;
        clearInterval(timer);
        resolve();
      }, TICK_MS);
    });
    const tookMs = performance.now() - this.#startMs;
    for (let waited = 0; this.#inFlight > 0 && waited < LAST_REPLIES_MS; waited += 10)
      await new Promise((resolve) => setTimeout(resolve, 10));
    for (const { socket } of this.#links) socket.destroy();
    this.#control.close();
    return this.#report(tookMs);
  }

  #arrive(): void {
    const link = this.#free.shift() ?? (this.#links.size < this.#plan.connectionsMax ? this.#open() : undefined);
    if (!link) {
      this.#unsent += 1;
      return;
    }
    link.sentMs = performance.now();
    this.#windowOf(link.sentMs).sent += 1;
    link.socket.write(this.#requests[this.#sent % this.#requests.length] as Buffer);
    this.#sent += 1;
    this.#inFlight += 1;
  }

  #windowOf(atMs: number): { sent: number; answered: number } {
    const index = Math.floor((atMs - this.#startMs) / WINDOW_MS);
    for (let next = this.#windows.length; next <= index; next += 1) this.#windows.push({ sent: 0, answered: 0 });
    return this.#windows[index] as { sent: number; answered: number };
  }

  #open(): Link {
    const socket = connect({ port: this.#plan.port, host: '127.0.0.1', noDelay: true });
    const link: Link = { socket, sentMs: 0, received: undefined };
    this.#links.add(link);
    socket.on('data', (chunk: Buffer) => this.#receive(link, chunk));
    const end = () => {
      if (!this.#links.delete(link)) return;
      const at = this.#free.indexOf(link);
      if (at >= 0) this.#free.splice(at, 1);
      else {
        this.#failed += 1;
        this.#inFlight -= 1;
      }
    };
    socket.on('error', end);
    socket.on('close', end);
    return link;
  }

  #receive(link: Link, chunk: Buffer): void {
    const received = link.received === undefined ? chunk : Buffer.concat([link.received, chunk]);
    link.received = received;
    const headEnd = received.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const head = received.toString('latin1', 0, headEnd + 2);
    if (received.length < headEnd + 4 + Number(CONTENT_LENGTH.exec(head)?.[1] ?? 0)) return;
    link.received = undefined;
    const status = head.slice(9, 12);
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    const tookMs = performance.now() - link.sentMs;
    if (status === '200') {
      this.#answeredMs.push(tookMs);
      this.#windowOf(link.sentMs).answered += 1;
    } else if (status === '503') this.#shedMs.push(tookMs);
    this.#inFlight -= 1;
    this.#free.push(link);
  }

  #report(tookMs: number): OpenLoopReport {
    const at = (list: readonly number[], share: number) =>
      Float64Array.from(list).toSorted()[Math.floor(share * (list.length - 1))] ?? Number.NaN;
    return {
      seconds: tookMs / 1_000,
      unsent: this.#unsent,
      failed: this.#failed,
      statuses: Object.fromEntries(this.#statuses),
      answeredMsP50: at(this.#answeredMs, 0.5),
      answeredMsP99: at(this.#answeredMs, 0.99),
      shedMsP50: at(this.#shedMs, 0.5),
      shedMsP99: at(this.#shedMs, 0.99),
      controlMsP50: at(this.#control.tookMs, 0.5),
      controlMsP99: at(this.#control.tookMs, 0.99),
      tickMsP99: at(this.#tickMs, 0.99),
      windows: this.#windows.map(({ sent, answered }) => (sent === 0 ? 1 : answered / sent)),
      connections: this.#links.size,
    };
  }
}

process.on('message', async (plan: OpenLoopPlan) => {
  process.send?.(await new Generator(plan).run());
});
process.send?.('ready');
