import { DEADLINE_HEADER, OverloadedError, PRIORITY_HEADER, type Priority } from '@slipway/kernel';
import { CallQueue, type Waiting } from '@slipway/models';
import {
  CALLS_AT_ONCE_LIMIT,
  CALL_QUEUE_LIMIT,
  CALL_WAIT_LIMIT_MS,
  REFUSALS_WAITING_LIMIT,
  REFUSED_CALLS_RATIO,
  TURN_BUDGET_MS,
  TURN_CALLS_MIN,
} from './limits.ts';

/** A call that waits to be begun, or to be refused. */
interface Job<Call> extends Waiting {
  readonly call: Call;
}

export interface CallGateDeps<Call> {
  readonly nowMs: () => number;
  /** Milliseconds that the event loop has worked since the process began. */
  readonly busyMs: () => number;
  readonly begin: (call: Call) => void;
  readonly refuse: (call: Call, error: OverloadedError) => void;
  readonly header: (call: Call, name: string) => string | undefined;
  /** Calls back in the next turn of the event loop. */
  readonly nextTurn: (callback: () => void) => void;
}

/** Weight of the newest turn in what a call costs. */
const NEWEST = 0.1;
/** What a call costs the event loop until turns have told. */
const CALL_COST_MS = 0.15;

/**
 * Begins as many calls in a turn of the event loop as it can answer within a few milliseconds; the others wait their turn, so
 * that health checks, other calls and refusals are never far away. A call that would wait too long is refused without being read.
 * Refusals are work too: they get a share of a turn, so that callers who come again at once cannot drown those who are answered.
 */
export class CallGate<Call> {
  readonly #deps: CallGateDeps<Call>;
  readonly #waiting = new CallQueue<Job<Call>>(CALL_QUEUE_LIMIT);
  readonly #refused: { readonly call: Call; readonly error: OverloadedError }[] = [];
  #costMs = CALL_COST_MS;
  #begun = 0;
  #refusedNow = 0;
  #turnIsOpen = false;
  #busyMs = 0;
  #inFlight = 0;

  constructor(deps: CallGateDeps<Call>) {
    this.#deps = deps;
  }

  /** Calls that were begun and have no reply yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get waitingCount(): number {
    return this.#waiting.rowCount;
  }

  /** Begins a call, lets it wait, or refuses it. */
  enter(call: Call): void {
    if (!this.#turnIsOpen) this.#openTurn();
    if (this.#inFlight >= CALLS_AT_ONCE_LIMIT) {
      this.#refuse(call, new OverloadedError('in-flight', `${CALLS_AT_ONCE_LIMIT} calls are being answered already.`, RETRY));
    } else if (this.#begun < this.#limit() && this.#waiting.isEmpty) this.#begin(call);
    else this.#enqueue(call);
  }

  /** A call that was begun has its reply. */
  leave(): void {
    this.#inFlight -= 1;
  }

  #limit(): number {
    return Math.max(TURN_CALLS_MIN, TURN_BUDGET_MS / this.#costMs);
  }

  #begin(call: Call): void {
    this.#begun += 1;
    this.#inFlight += 1;
    this.#deps.begin(call);
  }

  #enqueue(call: Call): void {
    const priority: Priority = this.#deps.header(call, PRIORITY_HEADER) === 'batch' ? 'batch' : 'interactive';
    const waitMs = this.#waiting.rowsAhead(priority, 1) * this.#costMs;
    // What the header says wrongly is said by the handler; here it counts as nothing.
    const deadlineMs = Number(this.#deps.header(call, DEADLINE_HEADER) ?? Number.NaN);
    const seconds = { retryAfterSeconds: waitMs / 1_000 };
    if (waitMs > deadlineMs) {
      const message = `The call would wait about ${Math.round(waitMs)} ms, longer than its deadline.`;
      return this.#refuse(call, new OverloadedError('deadline', message, seconds));
    }
    if (waitMs > CALL_WAIT_LIMIT_MS || !this.#waiting.hasRoom(priority, 1)) {
      const message = `The server is busy: the call would wait about ${Math.round(waitMs)} ms.`;
      return this.#refuse(call, new OverloadedError('loop', message, { ...seconds, help: 'Send it again later, or add a replica.' }));
    }
    this.#waiting.push({ call, priority, rowsLeft: 1, enqueuedMs: this.#deps.nowMs() });
  }

  #refuse(call: Call, error: OverloadedError): void {
    const hasShare = this.#refused.length === 0 && this.#refusedNow < this.#limit() * REFUSED_CALLS_RATIO;
    if (hasShare || this.#refused.length >= REFUSALS_WAITING_LIMIT) {
      this.#refusedNow += 1;
      this.#deps.refuse(call, error);
    } else this.#refused.push({ call, error });
  }

  #openTurn(): void {
    this.#turnIsOpen = true;
    this.#busyMs = this.#deps.busyMs();
    this.#deps.nextTurn(this.#endTurn);
  }

  /** Learns what the turn's calls cost, and begins the next turn with those that wait. */
  readonly #endTurn = (): void => {
    const busyMs = this.#deps.busyMs();
    // Of few calls, other work of the turn would be most of what is measured.
    if (this.#begun >= TURN_CALLS_MIN) this.#costMs += NEWEST * ((busyMs - this.#busyMs) / this.#begun - this.#costMs);
    this.#busyMs = busyMs;
    this.#begun = 0;
    this.#refusedNow = 0;
    this.#turnIsOpen = !this.#waiting.isEmpty || this.#refused.length > 0;
    if (!this.#turnIsOpen) return;
    this.#deps.nextTurn(this.#endTurn);
    this.#beginWaiting();
    const room = Math.ceil(this.#limit() * REFUSED_CALLS_RATIO);
    for (const { call, error } of this.#refused.splice(0, room)) {
      this.#refusedNow += 1;
      this.#deps.refuse(call, error);
    }
  };

  #beginWaiting(): void {
    const nowMs = this.#deps.nowMs();
    const limit = this.#limit();
    while (this.#begun < limit && this.#inFlight < CALLS_AT_ONCE_LIMIT) {
      const priority = this.#waiting.turn(nowMs);
      if (priority === undefined) return;
      // One at a time of batch calls: interactive ones may have come to wait meanwhile.
      const most = priority === 'batch' ? 1 : limit - this.#begun;
      for (const { call } of this.#waiting.take(priority, most, nowMs)) this.#begin(call);
    }
  }
}

const RETRY = { retryAfterSeconds: 1, help: 'Send it again later, or add a replica.' };
