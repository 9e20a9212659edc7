/** Every named limit of the HTTP surface, in one place. */

/** JSON bodies of routes that name no limit of their own. */
export const BODY_LIMIT_DEFAULT_BYTES = 1_048_576;
/** Byte streams of routes that name no limit of their own. */
export const STREAM_LIMIT_DEFAULT_BYTES = 1_073_741_824;
/** Routes without a body accept nothing, or an empty object. */
export const EMPTY_BODY_LIMIT_BYTES = 1_024;

export const PATH_PARAMETER_LENGTH_LIMIT = 256;
export const QUERY_PARAMETERS_LIMIT = 100;
export const QUERY_LENGTH_LIMIT = 8_192;

/** A connection that has not sent its headers by then is closed. */
export const HEADERS_TIMEOUT_MS = 8_000;
/** The longest a whole request may take to arrive, for uploads that make progress. */
export const REQUEST_TIMEOUT_MS = 3_600_000;
/** How often slow connections are looked for. */
export const CONNECTION_CHECK_MS = 1_000;
/** A body must bring BODY_WINDOW_BYTES_MIN in each window of this length, or end. */
export const BODY_WINDOW_MS = 5_000;
export const BODY_WINDOW_BYTES_MIN = 5_120;
/** Idle connections stay open longer than common proxies keep theirs, so that no proxy reuses one that just closed. */
export const KEEP_ALIVE_MS = 75_000;
export const CONNECTIONS_LIMIT = 10_000;
export const HEADER_BYTES_LIMIT = 16_384;
export const HEADERS_LIMIT = 100;

/** A body refused unread: up to this size the connection is kept and the rest skipped; above it is closed. */
export const SKIP_BODY_BYTES_MAX = 65_536;
/** A connection closed early lingers so long, reading and dropping so much, so that the caller can read the reply. */
export const LINGER_MS = 1_000;
export const LINGER_BYTES_MAX = 4_194_304;
/** A caller that does not take a streamed reply for this long is cut off. */
export const STALLED_REPLY_MS = 30_000;

/** Bytes up to this size leave with their headers in one write; larger ones are not copied for it. */
export const ONE_WRITE_BYTES_MAX = 16_384;

/** How long a graceful close waits for requests in flight. */
export const DRAIN_DEFAULT_MS = 10_000;

/** Replies kept for Idempotency-Key. */
export const IDEMPOTENCY_LIFETIME_MS = 24 * 3_600_000;
/** A call that began and never ended (its process died) blocks its key this long. */
export const IDEMPOTENCY_LEASE_MS = 300_000;
export const IDEMPOTENCY_REPLY_BYTES_MAX = 262_144;
export const IDEMPOTENCY_ROWS_PER_PROJECT_LIMIT = 10_000;
export const IDEMPOTENCY_SWEEP_MS = 600_000;
/** Deleted in one statement of the sweep. */
export const IDEMPOTENCY_SWEEP_ROWS = 5_000;

/** Calls of the prediction path that were begun and have no reply yet; more are refused. */
export const CALLS_AT_ONCE_LIMIT = 8_192;
/** Calls that wait for a turn of the event loop; more are refused. */
export const CALL_QUEUE_LIMIT = 8_192;
/** A call that would wait longer than this for its turn is refused. */
export const CALL_WAIT_LIMIT_MS = 1_000;
/** How much work of calls is begun in one turn of the event loop, by what they cost lately. */
export const TURN_BUDGET_MS = 6;
/** Calls that a turn begins whatever they cost. */
export const TURN_CALLS_MIN = 8;
/** From so many waiting calls on, connections take turns: see `call-gate.ts`. */
export const CROWD_CALLS_MIN = 128;
/** Calls begun in a turn of the event loop while it is crowded; from how many connections they come, follows. */
export const CROWD_TURN_CALLS = 16;
/** How long a connection brings calls before others take its turn; in between it follows from how many wait. */
export const CONNECTION_TURN_MS_MIN = 8;
export const CONNECTION_TURN_MS_MAX = 100;
/** Connections' turns are so short that whoever waits has one after about this long, callers of many calls as well as of one. */
export const CROWD_WAIT_AIM_MS = 600;
/** Refusals in a turn for each call that is begun: they cost about a fifth of one. */
export const REFUSED_CALLS_RATIO = 0.5;
/** Refusals that wait to be told; beyond it they are told at once, whatever the turn costs. */
export const REFUSALS_WAITING_LIMIT = 10_000;

/** How long a drain leaves idle connections open after the last request, so that none is closed under a request on its way. */
export const DRAIN_IDLE_MS = 500;
