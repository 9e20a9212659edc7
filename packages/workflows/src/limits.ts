/** Most progress events kept of one run; the last place says that later ones were dropped. */
export const RUN_EVENT_LIMIT = 10_000;
/** Largest JSON of a run's input or output, of a step's result and of a signal. Larger things are objects; pass their hashes. */
export const JSON_LIMIT_BYTES = 1024 * 1024;
/** Largest `data` of a progress event; larger ones are left out and the event says so. */
export const EVENT_DATA_LIMIT_BYTES = 16 * 1024;
/** Longest title and event message, in characters; the rest is cut. */
export const TEXT_LIMIT = 500;
/** Most events one read returns. */
export const EVENT_PAGE_LIMIT = 500;
/** Most attempts that `retries` of a step may ask for beyond the first. */
export const STEP_RETRY_LIMIT = 20;
/** Pause before the first repetition of a step; doubles up to the maximum. */
export const STEP_RETRY_PAUSE_MS = 500;
export const STEP_RETRY_PAUSE_MAX_MS = 30_000;
/** How often a run whose process died is started again by itself. */
export const RECOVERY_LIMIT = 50;
/** Most runs that follow from one cancelled run, level by level. */
export const DESCENDANT_LIMIT = 10_000;
/** Most streams and waits one process serves at a time. */
export const FOLLOWER_LIMIT = 2_000;
/** A follower looks again after this long even when no notification came. */
export const FOLLOW_POLL_MS = 2_000;
/** How long a worker may be silent before its runs are given to others. */
export const LEASE_DEFAULT_MS = 15_000;
/** Runs of one queue at a time, over all processes, unless the queue says otherwise. */
export const QUEUE_CONCURRENCY_DEFAULT = 8;
/** Schedules of one project. */
export const SCHEDULE_LIMIT = 500;
/** How long a shutdown waits for steps that are running; what is not finished by then runs again at the next launch. */
export const SHUTDOWN_DRAIN_MS = 3_000;
