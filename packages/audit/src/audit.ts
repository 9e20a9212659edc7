import type { Json } from '@slipway/kernel';
import type { Tx } from '@slipway/records';

/** What happened, as the capability that did it says it. */
export interface AuditEntry {
  /** A past fact, `capability.thing.verb`: `releases.revision.created`. */
  readonly type: string;
  /** The id of who did it, or `system`. */
  readonly principal: string;
  /** What it was done to. Stays for ever: an id, never a person's data. */
  readonly subject: { readonly kind: string; readonly id: string };
  /** The payload: hashed by the event, stored beside it, erasable. At most {@link PAYLOAD_LIMIT_BYTES} as JSON. */
  readonly data: Json;
  /** Whose data the payload holds: {@link Audit.erasePayloads} of the same text erases it. */
  readonly erasableSubject?: string | null;
}

/** One line of the log. `hash` chains it to the line before: SHA-256(previous hash || leaf hash). */
export interface AuditEvent {
  readonly project: string;
  /** 1, 2, 3 … without gaps, in the order of commit: the cursor of the change feed. */
  readonly seq: number;
  readonly id: string;
  readonly type: string;
  readonly principal: string;
  readonly subject: { readonly kind: string; readonly id: string };
  readonly atMs: number;
  /** null when erased. */
  readonly data: Json;
  readonly erased: boolean;
  /** SHA-256 over the payload's salt and canonical JSON; stays when the payload is erased. Lower-case hex. */
  readonly payloadHash: string;
  readonly hash: string;
}

/** How far a project's chain reached at some moment. Kept elsewhere it is a witness against a cut tail. */
export interface AuditHead {
  readonly project: string;
  readonly seq: number;
  readonly hash: string;
}

/** A head with the RFC 6962 Merkle root over all leaves up to it: what a signed checkpoint will sign. */
export interface Checkpoint extends AuditHead {
  readonly root: string;
}

export interface AuditProblem {
  readonly project: string;
  /** The event the problem was found at; 0 when it concerns the whole chain. */
  readonly seq: number;
  readonly problem: string;
}

export interface AuditVerification {
  readonly ok: boolean;
  /** Events read. */
  readonly events: number;
  /** At most {@link PROBLEM_LIMIT}; the first of each project come first. */
  readonly problems: readonly AuditProblem[];
  readonly heads: readonly AuditHead[];
}

export interface VerifyOptions {
  /** Heads remembered from earlier: only they reveal a tail cut off together with its head, a fork, or an old backup. */
  readonly witnesses?: readonly AuditHead[];
  readonly signal?: AbortSignal;
}

export interface ListEventsOptions {
  /** Only events after this number; default 0 = from the first. */
  readonly afterSeq?: number;
  /** 1 to {@link EVENT_LIMIT_MAX}. */
  readonly limit: number;
  /** Only events of exactly this type. */
  readonly type?: string;
}

/** Every change of the house is one line here, in the transaction of the change: no line, no change. */
export interface Audit {
  /**
   * Adds an event to the project's chain and tells `slipway_change` listeners at commit. It locks the project's head until
   * the transaction ends, so append LAST: what is locked or written after it makes every other change of the project wait,
   * and can deadlock. A rollback leaves no gap. @throws {InvalidEntryError} {@link PayloadTooLargeError}
   */
  append(tx: Tx, project: string, entry: AuditEntry): Promise<{ seq: number; id: string }>;
  /**
   * Takes the lock of `append` early, for changes that need one order per project (gapless numbers). The lock may be taken
   * again in the same transaction, so that code built on it composes without deadlocks.
   */
  lock(tx: Tx, project: string): Promise<void>;
  /** The change feed: events in order after a cursor. @throws {CorruptEventError} when a payload is not readable any more. */
  list(project: string, options: ListEventsOptions): Promise<AuditEvent[]>;
  /** What happened to one thing, newest first. */
  history(project: string, subject: AuditEntry['subject'], options: { readonly limit: number }): Promise<AuditEvent[]>;
  /** As `list`, but waits up to `waitMs` (at most {@link CHANGES_WAIT_MAX_MS}) for the first event when there is none yet. */
  changes(project: string, options: ListEventsOptions & { readonly waitMs: number; readonly signal?: AbortSignal }): Promise<AuditEvent[]>;
  /** Recomputes every hash of one project, or of all, reading in pages. Appends may go on meanwhile. */
  verify(project?: string, options?: VerifyOptions): Promise<AuditVerification>;
  /** The head and the Merkle root over all leaves up to it. */
  checkpoint(project: string): Promise<Checkpoint>;
  /**
   * Erases the payloads (data, salt and whose they were) of one subject and appends events that say which; the chain still
   * verifies. @returns how many payloads went.
   */
  erasePayloads(tx: Tx, project: string, erasableSubject: string, principal?: string): Promise<number>;
}

/** Most bytes of a payload as canonical JSON: 256 KiB. */
export const PAYLOAD_LIMIT_BYTES = 256 * 1024;
/** Most events one call of `list` or `changes` returns. */
export const EVENT_LIMIT_MAX = 1_000;
/** Longest wait of `changes`. */
export const CHANGES_WAIT_MAX_MS = 30_000;
/** Most problems `verify` lists. */
export const PROBLEM_LIMIT = 1_000;
