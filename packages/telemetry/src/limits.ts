/** Every limit of the workspace, by name. Tests go to each limit and one past it. */

/** A segment is closed once it holds this much; DuckDB turns 64 MiB of lines into Parquet in about half a second. */
export const SEGMENT_LIMIT_BYTES = 64 * 1024 * 1024;
/** A segment is closed once it is this old, so that other replicas and cold readers see it. */
export const SEGMENT_LIMIT_AGE_MS = 60 * 60_000;
/** Longest line, in UTF-16 units; a longer call is refused rather than cut. */
export const LINE_LIMIT_CHARACTERS = 16 * 1024 * 1024;
/** Lines accepted and not yet durable, over all projects; beyond it new calls are refused at once. */
export const WAITING_LINES_LIMIT = 100_000;
/** Files held open for appending; the least recently used is let go (and reopened when needed). */
export const OPEN_FILES_LIMIT = 256;
/** Outcomes of one call of `appendOutcomes`. */
export const OUTCOMES_PER_CALL_LIMIT = 1_000;
/** Characters of one outcome's value as JSON. */
export const OUTCOME_VALUE_LIMIT_CHARACTERS = 64 * 1024;
/** Characters of an outcome's name, source and idempotency key. */
export const OUTCOME_TEXT_LIMIT = 256;
/** Outcomes shown with one invocation, the newest first. */
export const OUTCOMES_SHOWN_LIMIT = 1_000;
/** Parquet segments that one DuckDB statement reads; longer histories are read in batches. */
export const SEGMENTS_PER_STATEMENT_LIMIT = 256;
/** Batches of segments one list may read before it answers with what it has. */
export const LIST_BATCHES_LIMIT = 64;
/** Pairs that one query may return. */
export const PAIRS_LIMIT_MAX = 1_000_000;
/** Minutes of event time with unsaved sketches, per project; back-dated calls beyond it cause an early save. */
export const OPEN_MINUTES_LIMIT = 64;
/** Fields sketched per revision; a wider contract has its first ones watched. */
export const SKETCH_FIELDS_LIMIT = 500;
/** Classes whose probability is sketched; with more only the prediction is. */
export const PROBABILITY_FIELDS_LIMIT = 10;
/** Text longer than this is no category and is not sketched when no contract says what the field is. */
export const CATEGORY_LIMIT_CHARACTERS = 64;
/** Sketches of one field that a query merges. */
export const SKETCH_MERGE_LIMIT = 1_000;
/** Minute sketches become hours after this long, hours become days after {@link SKETCH_HOURS_KEPT_MS}. */
export const SKETCH_MINUTES_KEPT_MS = 2 * 60 * 60_000;
export const SKETCH_HOURS_KEPT_MS = 7 * 24 * 60 * 60_000;
/** An hour or a day is totalled so long after its end: by then each replica has saved its last minute. */
export const SKETCH_TOTAL_AFTER_MS = 5 * 60_000;
/** Groups of sketches rolled up in one pass of the maintenance. */
export const ROLL_UP_GROUPS_LIMIT = 2_000;
/** Small Parquet segments merged into one; a segment is small below {@link MERGE_SMALL_BYTES}. */
export const MERGE_SEGMENTS_LIMIT = 64;
export const MERGE_SMALL_BYTES = 8 * 1024 * 1024;
/** Combinations of label values of one metric; further ones are counted together under `other`. */
export const METRIC_SERIES_LIMIT = 1_000;
/** DuckDB statements at once: each holds one of libuv's four threads. */
export const ENGINE_CONCURRENCY = 2;
export const ENGINE_MEMORY = '512MB';
export const ENGINE_THREADS = '2';
/** The engine is let go after so long without work, to keep an idle server small. */
export const ENGINE_IDLE_MS = 60_000;
/** Labelled rows that one question returns. */
export const LABELLED_ROWS_LIMIT_MAX = 100_000;
/** How often the maintenance job runs. */
export const MAINTENANCE_EVERY_MS = 20_000;
/** Outcome segments that one window of pairs may touch. */
export const OUTCOME_SEGMENTS_LIMIT = 4_096;
/** Invocations of a subject that one pass of an erasure handles; further ones take further passes. */
export const ERASURE_PASS_LIMIT = 500_000;
/** How often old sketches are rolled up, small segments joined and unused objects deleted. */
export const HOUSEKEEPING_EVERY_MS = 10 * 60_000;
/** Combinations of group, answer and outcome that one count of decisions returns from one batch of segments; the largest. */
export const DECISION_COUNTS_LIMIT = 10_000;
/** Calls that one sample may hold. */
export const SAMPLE_LIMIT_MAX = 20_000;
/** Stored sketches that one statement reads: those of several fields, so that a report is few statements. About 5 MB. */
export const SKETCH_ROWS_PER_STATEMENT = 2_000;
