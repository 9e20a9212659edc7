import { timingSafeEqual } from 'node:crypto';
import { UnavailableError, type Clock, type Principal } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { KeyRejectedError, TooManyAttemptsError } from './errors.ts';
import { findKeyByHash, saveLastUsed, type KeyRecord } from './identity-store.ts';
import { KEY_LENGTH_MAX, couldBeKey, hashKey } from './key-format.ts';

/** A validated key is trusted this long without asking the store again; a revocation elsewhere takes at most this. */
export const CACHE_TTL_MS = 1_000;
/** From this age on a used entry is validated again in the background, so that busy keys never wait for the store. */
export const CACHE_REFRESH_MS = 500;
export const CACHE_ENTRIES_LIMIT = 10_000;
/** While the store cannot be reached, keys that it had confirmed stay valid this long (never beyond their expiry). */
export const OUTAGE_GRACE_MS = 300_000;
/** An unknown key is not looked up again for this long. */
export const REJECTED_TTL_MS = 5_000;
export const REJECTED_ENTRIES_LIMIT = 10_000;
/** Failed look-ups: a burst, then so many a second in the whole process. */
export const FAILED_LOOKUPS_BURST = 500;
export const FAILED_LOOKUPS_PER_SECOND = 50;
/** Look-ups waiting for the store at one time; more are told to come back. */
export const LOOKUPS_IN_FLIGHT_LIMIT = 256;
/** A dead key in use is audited at most this often each. */
export const REUSE_AUDIT_EVERY_MS = 3_600_000;
const REUSE_ENTRIES_LIMIT = 1_000;
/** The longest time between two writes of a key's last use. */
export const LAST_USED_WRITE_MS = 60_000;

interface Entry {
  readonly principal: Principal;
  /** Monotonic; when the last answer of the store was asked for. */
  readonly confirmedMs: number;
  readonly expiresAtMs: number;
  /** Monotonic; the entry answers synchronously before this. */
  validUntilMs: number;
  refreshAtMs: number;
}

interface Rejection {
  readonly untilMs: number;
  readonly error: KeyRejectedError;
}

/** What happens when somebody uses a key that was rotated or revoked. */
export type DeadKeyListener = (key: KeyRecord) => Promise<void>;

const HELP =
  'Send a valid key as "Authorization: Bearer KEY". An admin makes keys with POST /v1/keys; the first one is shown at the first start.';

export function rejected(message: string, reason: string): KeyRejectedError {
  return new KeyRejectedError(message, { details: { reason }, help: HELP });
}

/**
 * Turns keys into principals. Everything is held under the full SHA-256 of the key, in bounded maps; the secret
 * itself is never kept.
 */
export class Authenticator {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #onDeadKey: DeadKeyListener;
  readonly #entries = new Map<string, Entry>();
  readonly #rejections = new Map<string, Rejection>();
  readonly #lookups = new Map<string, Promise<Entry>>();
  readonly #reuseAudited = new Map<string, number>();
  #used = new Map<string, number>();
  #tokens = FAILED_LOOKUPS_BURST;
  #tokensAtMs: number;
  /** Counts changes made here: an answer asked for before one is used once and not kept. */
  #generation = 0;

  constructor(records: Records, clock: Clock, onDeadKey: DeadKeyListener) {
    this.#records = records;
    this.#clock = clock;
    this.#onDeadKey = onDeadKey;
    this.#tokensAtMs = clock.monotonicMs();
  }

  /** The principal of a key confirmed within CACHE_TTL_MS, without touching the store; undefined = ask `authenticate`. */
  authenticateCached(key: string): Principal | undefined {
    if (key.length > KEY_LENGTH_MAX) return undefined;
    const sha256 = hashKey(key);
    const entry = this.#entries.get(sha256);
    if (entry === undefined) return undefined;
    const now = this.#clock.monotonicMs();
    if (now >= entry.validUntilMs) return undefined;
    if (now >= entry.refreshAtMs) this.#refresh(sha256, entry);
    return entry.principal;
  }

  /** @throws {KeyRejectedError} saying why, as far as the caller may know.  @throws {TooManyAttemptsError} */
  async authenticate(key: string): Promise<Principal> {
    const cached = this.authenticateCached(key);
    if (cached) return cached;
    if (!couldBeKey(key)) throw rejected('This is no Slipway key; was it cut off or mistyped?', 'malformed');
    const sha256 = hashKey(key);
    const now = this.#clock.monotonicMs();
    const rejection = this.#rejections.get(sha256);
    if (rejection && now < rejection.untilMs) throw rejection.error;
    if (!this.#entries.has(sha256)) this.#admitLookup(sha256, now);
    return (await this.#lookup(sha256)).principal;
  }

  /** Forgets what is known of a principal's keys, so that a change made in this process holds at once. */
  forget(principal: string): void {
    for (const [sha256, entry] of this.#entries) if (entry.principal.id === principal) this.#entries.delete(sha256);
    this.#generation += 1;
  }

  /** Writes the times of last use collected since the last call; meant to run once in LAST_USED_WRITE_MS. */
  async flushLastUsed(): Promise<void> {
    if (this.#used.size === 0) return;
    const used = this.#used;
    this.#used = new Map();
    await saveLastUsed(
      this.#records.db,
      [...used].map(([id, atMs]) => ({ id, atMs })),
    );
  }

  #refresh(sha256: string, entry: Entry): void {
    entry.refreshAtMs = Number.POSITIVE_INFINITY;
    // A refused or failed refresh shows at the next request that finds the entry too old.
    this.#lookup(sha256).catch(() => {});
  }

  #lookup(sha256: string): Promise<Entry> {
    const running = this.#lookups.get(sha256);
    if (running) return running;
    const lookup = this.#load(sha256).finally(() => this.#lookups.delete(sha256));
    this.#lookups.set(sha256, lookup);
    return lookup;
  }

  async #load(sha256: string): Promise<Entry> {
    const askedMs = this.#clock.monotonicMs();
    const generation = this.#generation;
    let found: Awaited<ReturnType<typeof findKeyByHash>>;
    try {
      found = await findKeyByHash(this.#records.db, sha256);
    } catch (cause) {
      return this.#duringOutage(sha256, cause);
    }
    const error = this.#refusal(sha256, found);
    if (error || !found) {
      this.#entries.delete(sha256);
      this.#reject(sha256, error ?? rejected('This key is not known.', 'unknown'));
      if (found) await this.#reportDeadKey(found.key);
      throw error ?? rejected('This key is not known.', 'unknown');
    }
    const entry = this.#remember(sha256, found.key, askedMs);
    if (generation !== this.#generation) entry.validUntilMs = askedMs;
    return entry;
  }

  #refusal(sha256: string, found: Awaited<ReturnType<typeof findKeyByHash>>): KeyRejectedError | undefined {
    if (!found || !timingSafeEqual(Buffer.from(found.sha256), Buffer.from(sha256))) return rejected('This key is not known.', 'unknown');
    const { key } = found;
    if (key.revokedAtMs !== null) return rejected('This key has been revoked.', 'revoked');
    if (key.expiresAtMs > this.#clock.nowMs()) return undefined;
    if (key.rotatedAtMs !== null) return rejected('This key has been replaced by a newer one and its grace is over.', 'rotated');
    return rejected(`This key expired at ${new Date(key.expiresAtMs).toISOString()}.`, 'expired');
  }

  #remember(sha256: string, key: KeyRecord, askedMs: number): Entry {
    const { principal: id, project, role, instance, label } = key;
    const leftMs = key.expiresAtMs - this.#clock.nowMs();
    const entry: Entry = {
      principal: Object.freeze({ id, project, role, instance, label }),
      confirmedMs: askedMs,
      expiresAtMs: key.expiresAtMs,
      validUntilMs: askedMs + Math.min(CACHE_TTL_MS, leftMs),
      refreshAtMs: askedMs + CACHE_REFRESH_MS,
    };
    this.#entries.delete(sha256);
    this.#entries.set(sha256, entry);
    dropOldest(this.#entries, CACHE_ENTRIES_LIMIT);
    this.#used.set(key.id, this.#clock.nowMs());
    dropOldest(this.#used, CACHE_ENTRIES_LIMIT);
    return entry;
  }

  /** The store does not answer: what it confirmed lately goes on for a bounded time, everything else is unavailable. */
  #duringOutage(sha256: string, cause: unknown): Entry {
    const entry = this.#entries.get(sha256);
    const now = this.#clock.monotonicMs();
    const leftMs = entry ? Math.min(entry.confirmedMs + OUTAGE_GRACE_MS - now, entry.expiresAtMs - this.#clock.nowMs()) : 0;
    if (!entry || leftMs <= 0) throw new UnavailableError('Keys cannot be checked right now.', { cause, help: 'Try again in a moment.' });
    entry.validUntilMs = now + Math.min(CACHE_TTL_MS, leftMs);
    entry.refreshAtMs = now + CACHE_REFRESH_MS;
    return entry;
  }

  #admitLookup(sha256: string, nowMs: number): void {
    const elapsedMs = nowMs - this.#tokensAtMs;
    this.#tokens = Math.min(FAILED_LOOKUPS_BURST, this.#tokens + (elapsedMs * FAILED_LOOKUPS_PER_SECOND) / 1_000);
    this.#tokensAtMs = nowMs;
    const crowded = this.#lookups.size >= LOOKUPS_IN_FLIGHT_LIMIT && !this.#lookups.has(sha256);
    if (this.#tokens >= 1 && !crowded) return;
    throw new TooManyAttemptsError('Too many unknown keys were tried lately.', {
      details: { retryAfterSeconds: 1 },
      help: 'Wait a second and try again.',
    });
  }

  #reject(sha256: string, error: KeyRejectedError): void {
    this.#tokens -= 1;
    this.#rejections.set(sha256, { untilMs: this.#clock.monotonicMs() + REJECTED_TTL_MS, error });
    dropOldest(this.#rejections, REJECTED_ENTRIES_LIMIT);
  }

  async #reportDeadKey(key: KeyRecord): Promise<void> {
    if (key.revokedAtMs === null && key.rotatedAtMs === null) return;
    const now = this.#clock.monotonicMs();
    const lastMs = this.#reuseAudited.get(key.id);
    if (lastMs !== undefined && now - lastMs < REUSE_AUDIT_EVERY_MS) return;
    this.#reuseAudited.set(key.id, now);
    dropOldest(this.#reuseAudited, REUSE_ENTRIES_LIMIT);
    // The caller is turned away whether or not the event could be written.
    await this.#onDeadKey(key).catch(() => this.#reuseAudited.delete(key.id));
  }
}

/** Maps keep the order of insertion, so the first key is the oldest. */
function dropOldest(map: Map<string, unknown>, limit: number): void {
  while (map.size > limit) {
    const oldest = map.keys().next();
    if (oldest.done) return;
    map.delete(oldest.value);
  }
}
