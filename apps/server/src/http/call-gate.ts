import { DEADLINE_HEADER, OverloadedError, PRIORITY_HEADER, type Priority } from '@slipway/kernel';
import { CallQueue, type Waiting } from '@slipway/models';
import {
  CALLS_AT_ONCE_LIMIT,
  CALL_QUEUE_LIMIT,
  CALL_WAIT_LIMIT_MS,
  CONNECTION_TURN_MS_MAX,
  CONNECTION_TURN_MS_MIN,
  CROWD_CALLS_MIN,
  CROWD_TURN_CALLS,
  CROWD_WAIT_AIM_MS,
  REFUSALS_WAITING_LIMIT,
  REFUSED_CALLS_RATIO,
  TURN_BUDGET_MS,
  TURN_CALLS_MIN,
} from './limits.ts';

/** A call that waits to be begun, or to be refused. */
interface Job<Call> extends Waiting {
  readonly call: Call;
}

/** When the turn of a connection ends, in milliseconds of the gate's clock; kept with the connection. */
export const TURN_ENDS_MS = Symbol('turn ends');
export interface Connection {
  [TURN_ENDS_MS]?: number | undefined;
}

export interface CallGateDeps<Call> {
  readonly nowMs: () => number;
  /** Milliseconds that the event loop has worked since the process began. */
  readonly busyMs: () => number;
  readonly begin: (call: Call) => void;
  readonly refuse: (call: Call, error: OverloadedError) => void;
  readonly header: (call: Call, name: string) => string | undefined;
  /** What the call came by. */
  readonly connection: (call: Call) => Connection;
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
 *
 * When very many wait, connections take turns: for some milliseconds a connection's next calls are begun as they come, then they wait
 * behind the others'. Calls that come by a few connections cost the thread far less than the same calls spread over a thousand, so more
 * are answered; how long turns are follows from how long the last in the line would wait (decision 0014).
 */
export class CallGate<Call> {
  readonly #deps: CallGateDeps<Call>;
  readonly #waiting = new CallQueue<Job<Call>>(CALL_QUEUE_LIMIT);
  readonly #refused: { readonly call: Call; readonly error: OverloadedError }[] = [];
  /** Calls of connections whose turn it is, beyond what this turn of the event loop begins. */
  readonly #next: Call[] = [];
  #costMs = CALL_COST_MS;
  /** While very many wait, connections take turns. */
  #isCrowded = false;
  /** What each call in the line waits for the one before it, in a crowd: more than it costs. */
  #placeMs = CALL_COST_MS;
  /** How long a connection's turn is. */
  #turnMs = CONNECTION_TURN_MS_MIN;
  #taken = 0;
  #takenSinceMs = 0;
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
    } else if (this.#waiting.isEmpty) {
      if (this.#begun < this.#limit()) this.#begin(call);
      else this.#enqueue(call);
    } else if (this.#hasTurn(call)) {
      if (this.#begun < this.#limit()) this.#begin(call);
      else this.#next.push(call);
    } else this.#enqueue(call);
  }

  /** A call that was begun has its reply. */
  leave(): void {
    this.#inFlight -= 1;
  }

  #hasTurn(call: Call): boolean {
    const connection = this.#deps.connection(call);
    const untilMs = connection[TURN_ENDS_MS];
    if (untilMs === undefined) return false;
    // One that sends many calls without waiting for replies has no more of a turn than others.
    if (this.#next.length < this.#limit() && this.#deps.nowMs() < untilMs && this.#priorityOf(call) === 'interactive') return true;
    connection[TURN_ENDS_MS] = undefined;
    return false;
  }

  #priorityOf(call: Call): Priority {
    return this.#deps.header(call, PRIORITY_HEADER) === 'batch' ? 'batch' : 'interactive';
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
    const priority = this.#priorityOf(call);
    const waitMs = this.#waiting.rowsAhead(priority, 1) * (this.#isCrowded ? Math.max(this.#costMs, this.#placeMs) : this.#costMs);
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
    const begunBefore = this.#begun;
    this.#begun = 0;
    this.#refusedNow = 0;
    this.#turnIsOpen = !this.#waiting.isEmpty || this.#next.length > 0 || this.#refused.length > 0;
    if (this.#waiting.isEmpty) this.#isCrowded = false;
    if (!this.#turnIsOpen) return;
    this.#deps.nextTurn(this.#endTurn);
    for (const call of this.#next.splice(0, this.#limit())) this.#begin(call);
    this.#beginWaiting(begunBefore);
    const room = Math.ceil(this.#limit() * REFUSED_CALLS_RATIO);
    for (const { call, error } of this.#refused.splice(0, room)) {
      this.#refusedNow += 1;
      this.#deps.refuse(call, error);
    }
  };

  /** @param begunBefore calls begun in the turn that ends, most of them brought by connections whose turn it is */
  #beginWaiting(begunBefore: number): void {
    const nowMs = this.#deps.nowMs();
    const crowd = this.#waiting.rowCount;
    if (crowd < CROWD_CALLS_MIN) this.#isCrowded = false;
    else if (!this.#isCrowded) this.#beginCrowd(nowMs);
    const limit = this.#isCrowded ? Math.min(this.#limit(), CROWD_TURN_CALLS - begunBefore) : this.#limit();
    const turnEndsMs = nowMs + this.#turnMs;
    const begunFirst = this.#begun;
    while (this.#begun < limit && this.#inFlight < CALLS_AT_ONCE_LIMIT) {
      const priority = this.#waiting.turn(nowMs);
      if (priority === undefined) break;
      // One at a time of batch calls: interactive ones may have come to wait meanwhile.
      const most = priority === 'batch' ? 1 : limit - this.#begun;
      for (const { call } of this.#waiting.take(priority, most, nowMs)) {
        if (this.#isCrowded) this.#deps.connection(call)[TURN_ENDS_MS] = turnEndsMs;
        this.#begin(call);
      }
    }
    if (this.#isCrowded) this.#learnPlace(crowd, this.#begun - begunFirst, nowMs);
  }

  /** A crowd begins with short turns, and as if nobody had to wait for more than what the calls before cost. */
  #beginCrowd(nowMs: number): void {
    this.#isCrowded = true;
    this.#placeMs = this.#costMs;
    this.#turnMs = CONNECTION_TURN_MS_MIN;
    this.#takenSinceMs = nowMs;
    this.#taken = 0;
  }

  /** How fast the line moves, over some time at once, and how long turns may be for those at its end. */
  #learnPlace(crowd: number, taken: number, nowMs: number): void {
    this.#taken += taken;
    const tookMs = nowMs - this.#takenSinceMs;
    if (tookMs < PLACE_WINDOW_MS || this.#taken === 0) return;
    const paceMs = tookMs / this.#taken;
    this.#placeMs += NEWEST * (paceMs - this.#placeMs);
    const change = Math.min(TURN_CHANGE_MAX, Math.max(TURN_CHANGE_MIN, CROWD_WAIT_AIM_MS / (crowd * paceMs)));
    this.#turnMs = Math.min(CONNECTION_TURN_MS_MAX, Math.max(CONNECTION_TURN_MS_MIN, this.#turnMs * change));
    this.#takenSinceMs = nowMs;
    this.#taken = 0;
  }
}

/** How fast turns become shorter and longer. */
const TURN_CHANGE_MIN = 0.5;
const TURN_CHANGE_MAX = 1.25;
/** Over how long the pace of the line is counted. */
const PLACE_WINDOW_MS = 100;

const RETRY = { retryAfterSeconds: 1, help: 'Send it again later, or add a replica.' };
