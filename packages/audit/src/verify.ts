import type { Db } from '@slipway/records';
import { PROBLEM_LIMIT, type AuditHead, type AuditProblem, type AuditVerification, type VerifyOptions } from './audit.ts';
import { GENESIS_HASH, chainHash, eventLeafHash, hashPayload, isCanonicalJson } from './chain.ts';
import { ERASED_TYPE, ErasedPayloads, rangesInclude } from './erasure.ts';
import { listOrphans, listProjects, readEnds, readPage, toLeafFields, type StoredEvent } from './event-store.ts';

/** Rows a page: enough to hide the trip to the database, few enough to hash in some 5 ms on the event loop. */
export const VERIFY_PAGE_ROWS = 200;
/** Erasure events kept at hand while payloads that they erased are checked. */
const ERASURE_CACHE_LIMIT = 16;
const ORPHANS_LISTED_LIMIT = 100;
const LOWEST_SEQ = '-9223372036854775808';
const HIGHEST_SEQ = '9223372036854775807';

/** The number as a bound for the next query; a number that no double holds exactly, which no event has, is skipped over. */
function boundOf(seq: number): string {
  return String(Math.min(Math.max(seq, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER));
}

/** The stored events of a project up to a number, page by page; the next page is fetched while one is worked on. */
export async function* readPages(db: Db, project: string, lastSeq: number, signal?: AbortSignal): AsyncGenerator<StoredEvent[]> {
  const range = { lastSeq: boundOf(lastSeq), limit: VERIFY_PAGE_ROWS };
  const fetchAfter = (afterSeq: string) => readPage(db, project, { ...range, afterSeq });
  let page = await fetchAfter(LOWEST_SEQ);
  while (page.length > 0) {
    signal?.throwIfAborted();
    const last = page.at(-1) as StoredEvent;
    const next = page.length < VERIFY_PAGE_ROWS ? Promise.resolve([]) : fetchAfter(boundOf(last.seq));
    // Whoever stops early must not leave a rejection that nobody hears.
    next.catch(() => {});
    yield page;
    page = await next;
  }
}

/** Verifies one project or all; see {@link Audit.verify}. */
export async function verifyChains(db: Db, project: string | undefined, options: VerifyOptions): Promise<AuditVerification> {
  const witnesses = (options.witnesses ?? []).filter((witness) => project === undefined || witness.project === project);
  const projects =
    project === undefined ? [...new Set([...(await listProjects(db)), ...witnesses.map((witness) => witness.project)])] : [project];
  const heads: AuditHead[] = [];
  const problems: AuditProblem[] = [];
  let events = 0;
  for (const each of projects) {
    const chain = new ChainVerifier(db, each, problems);
    await chain.run(
      witnesses.filter((witness) => witness.project === each),
      options.signal,
    );
    events += chain.events;
    if (chain.head) heads.push(chain.head);
  }
  return { ok: problems.length === 0, events, problems, heads };
}

class ChainVerifier {
  events = 0;
  head: AuditHead | undefined;
  readonly #db: Db;
  readonly #project: string;
  readonly #problems: AuditProblem[];
  readonly #erasures = new Map<number, ErasedPayloads | undefined>();
  #nextSeq = 1;
  /** Undefined after a gap, where the hash before is not known. */
  #previousHash: string | undefined = GENESIS_HASH;

  constructor(db: Db, project: string, problems: AuditProblem[]) {
    this.#db = db;
    this.#project = project;
    this.#problems = problems;
  }

  async run(witnesses: readonly AuditHead[], signal: AbortSignal | undefined): Promise<void> {
    // Events appended from now on are the next verification's; the head says how far this one goes.
    const { head, lastSeq } = await readEnds(this.#db, this.#project);
    this.head = head;
    const seenHashes = new Map<number, string>(witnesses.map((witness) => [witness.seq, '']));
    let afterSeq = LOWEST_SEQ;
    for await (const page of readPages(this.#db, this.#project, head?.seq ?? lastSeq, signal)) {
      await this.#loadErasures(page);
      for (const row of page) {
        this.#checkEvent(row);
        if (seenHashes.has(row.seq)) seenHashes.set(row.seq, row.hash);
      }
      const through = boundOf((page.at(-1) as StoredEvent).seq);
      await this.#checkOrphans(afterSeq, through);
      afterSeq = through;
    }
    await this.#checkEnds(afterSeq);
    for (const witness of witnesses) this.#checkWitness(witness, seenHashes.get(witness.seq) ?? '');
  }

  #report(seq: number, problem: string): void {
    if (this.#problems.length < PROBLEM_LIMIT) this.#problems.push({ project: this.#project, seq, problem });
  }

  #checkEvent(row: StoredEvent): void {
    this.events += 1;
    if (row.seq > this.#nextSeq) {
      const missing = row.seq - 1 === this.#nextSeq ? 'this event is missing' : `the events up to ${row.seq - 1} are missing`;
      this.#report(this.#nextSeq, missing);
      this.#previousHash = undefined;
    } else if (row.seq < this.#nextSeq) this.#report(row.seq, 'an event stands before the first');
    if (this.#previousHash !== undefined && this.#computeHash(row, this.#previousHash) !== row.hash) {
      this.#report(row.seq, 'the event, or the one before it, does not match the hash that chains them');
    }
    const problem = this.#payloadProblem(row);
    if (problem !== undefined) this.#report(row.seq, problem);
    this.#nextSeq = Math.max(row.seq, 0) + 1;
    this.#previousHash = row.hash;
  }

  /** Undefined when the row holds values that no event has, such as a time outside the calendar. */
  #computeHash(row: StoredEvent, previousHash: string): string | undefined {
    try {
      return chainHash(previousHash, eventLeafHash(toLeafFields(this.#project, row)));
    } catch {
      return undefined;
    }
  }

  #payloadProblem(row: StoredEvent): string | undefined {
    if (row.payload_seq === null) return 'the payload is missing without having been erased';
    const { salt, data: dataText, erasable_subject: erasableSubject, erased_by: erasedBy } = row;
    if (erasedBy !== null) {
      if (salt !== null || dataText !== null || erasableSubject !== null) return 'the payload is marked as erased but still there';
      const erasure = erasedBy > row.seq ? this.#erasures.get(erasedBy) : undefined;
      if (!erasure || !rangesInclude(erasure.events, row.seq)) return `the payload is gone, but event ${erasedBy} did not erase it`;
      return undefined;
    }
    if (salt === null || dataText === null) return 'the payload is missing without having been erased';
    if (hashPayload({ salt, dataText, erasableSubject }) !== row.payload_hash) return 'the payload does not match its hash';
    return isCanonicalJson(dataText) ? undefined : 'the payload is not canonical JSON';
  }

  /** An erasure event is itself part of the chain, so what it says is verified when its turn comes. */
  async #loadErasures(page: readonly StoredEvent[]): Promise<void> {
    const needed = new Set(page.map((row) => row.erased_by).filter((seq) => seq !== null));
    for (const seq of needed) {
      if (this.#erasures.has(seq)) continue;
      while (this.#erasures.size >= Math.max(ERASURE_CACHE_LIMIT, needed.size)) {
        this.#erasures.delete(this.#erasures.keys().next().value as number);
      }
      this.#erasures.set(seq, await this.#readErasure(seq));
    }
  }

  async #readErasure(seq: number): Promise<ErasedPayloads | undefined> {
    if (!Number.isSafeInteger(seq)) return undefined;
    const [row] = await readPage(this.#db, this.#project, { afterSeq: String(seq - 1), lastSeq: String(seq), limit: 1 });
    if (row?.type !== ERASED_TYPE || row.data === null || !isCanonicalJson(row.data)) return undefined;
    return ErasedPayloads.safeParse(JSON.parse(row.data)).data;
  }

  async #checkOrphans(afterSeq: string, lastSeq: string): Promise<void> {
    const orphans = await listOrphans(this.#db, this.#project, { afterSeq, lastSeq, limit: ORPHANS_LISTED_LIMIT });
    for (const seq of orphans) this.#report(seq, 'a payload belongs to no event');
  }

  async #checkEnds(verifiedThrough: string): Promise<void> {
    const head = this.head;
    const verifiedSeq = this.#nextSeq - 1;
    if (!head && this.events > 0) this.#report(0, 'the project has events but no head');
    if (head && head.seq > verifiedSeq) this.#report(verifiedSeq + 1, `the events up to the head, ${head.seq}, are missing`);
    if (head && head.seq === verifiedSeq && head.hash !== (this.#previousHash ?? '')) {
      this.#report(head.seq, 'the head does not have the hash of the last event');
    }
    const now = await readEnds(this.#db, this.#project);
    const headSeq = now.head?.seq ?? 0;
    if (now.head && now.lastSeq > headSeq) this.#report(headSeq + 1, `events up to ${now.lastSeq} stand behind the head`);
    if (now.head && now.lastSeq < headSeq && headSeq > (head?.seq ?? 0)) this.#report(headSeq, 'the head is ahead of the last event');
    // Appends that happened meanwhile have their events, so a payload without one is an orphan at any number.
    await this.#checkOrphans(verifiedThrough, HIGHEST_SEQ);
  }

  #checkWitness(witness: AuditHead, hash: string): void {
    if (hash === witness.hash) return;
    const gone = `the chain no longer reaches event ${witness.seq}, which the witness saw`;
    this.#report(witness.seq, hash === '' ? gone : `event ${witness.seq} is not the one that the witness saw: the chain was forked`);
  }
}
