import { InvalidError, systemRandomBytes, type Clock, type Ids, type RandomBytes } from '@slipway/kernel';
import type { Records, Tx } from '@slipway/records';
import { EVENT_LIMIT_MAX, type Audit, type AuditEntry, type Checkpoint, type ListEventsOptions } from './audit.ts';
import { GENESIS_HASH, chainHash, eventLeafHash, hashPayload } from './chain.ts';
import { ChangeFeed } from './change-feed.ts';
import { checkEntry } from './entry.ts';
import { ERASED_TYPE, ERASURE_EVENT_LIMIT, toRanges, type ErasedPayloads } from './erasure.ts';
import { erasePayloadRows, insertEvent, listErasable, listEvents, listHistory, lockHead, readEnds, toLeafFields } from './event-store.ts';
import { MerkleTree } from './merkle.ts';
import { readPages, verifyChains } from './verify.ts';

export interface AuditDeps {
  readonly records: Records;
  readonly clock: Clock;
  readonly ids: Ids;
  /** Makes the payloads' salts; default the system's. */
  readonly random?: RandomBytes;
}

const SALT_BYTES = 16;

/** The audit log over the records. */
export function createAudit(deps: AuditDeps): Audit {
  const { db } = deps.records;
  const feed = new ChangeFeed(deps.records);
  const list = (project: string, options: ListEventsOptions) => listEvents(db, project, checkListOptions(options));
  return {
    append: (tx, project, entry) => append(deps, tx, project, entry),
    async lock(tx, project) {
      await lockHead(tx, project);
    },
    list,
    history: (project, subject, { limit }) => listHistory(db, project, subject, checkListOptions({ limit }).limit),
    changes: (project, { waitMs, signal, ...options }) =>
      feed.wait(project, signal === undefined ? { waitMs } : { waitMs, signal }, () => list(project, options)),
    verify: (project, options = {}) => verifyChains(db, project, options),
    checkpoint: (project) => checkpoint(deps, project),
    erasePayloads: (tx, project, subject, principal = 'system') => erasePayloads(deps, tx, { project, subject, principal }),
  };
}

async function append(deps: AuditDeps, tx: Tx, project: string, entry: AuditEntry): Promise<{ seq: number; id: string }> {
  const { type, principal, subject, erasableSubject, dataText } = checkEntry(project, entry);
  const saltBytes = new Uint8Array(SALT_BYTES);
  (deps.random ?? systemRandomBytes)(saltBytes);
  const payload = { salt: Buffer.from(saltBytes).toString('hex'), dataText, erasableSubject };
  const payloadHash = hashPayload(payload);
  const head = await lockHead(tx, project);
  const fields = {
    project,
    seq: head.seq + 1,
    id: deps.ids.next('event'),
    type,
    principal,
    subject,
    atMs: deps.clock.nowMs(),
    payloadHash,
  };
  await insertEvent(tx, { ...fields, hash: chainHash(head.hash, eventLeafHash(fields)) }, payload);
  return { seq: fields.seq, id: fields.id };
}

function checkListOptions(options: ListEventsOptions): { afterSeq: number; limit: number; type: string | undefined } {
  const { afterSeq = 0, limit, type } = options;
  if (!Number.isInteger(limit) || limit < 1 || limit > EVENT_LIMIT_MAX) {
    throw new InvalidError(`The limit must be an integer from 1 to ${EVENT_LIMIT_MAX}.`, { details: { field: 'limit' } });
  }
  if (!Number.isSafeInteger(afterSeq) || afterSeq < 0) {
    throw new InvalidError('The cursor "after" must be the number of an event, or 0.', { details: { field: 'after' } });
  }
  return { afterSeq, limit, type };
}

async function checkpoint(deps: AuditDeps, project: string): Promise<Checkpoint> {
  const { head } = await readEnds(deps.records.db, project);
  const tree = new MerkleTree();
  for await (const page of readPages(deps.records.db, project, head?.seq ?? 0)) {
    for (const row of page) tree.add(eventLeafHash(toLeafFields(project, row)));
  }
  return { project, seq: head?.seq ?? 0, hash: head?.hash ?? GENESIS_HASH, root: tree.root() };
}

async function erasePayloads(
  deps: AuditDeps,
  tx: Tx,
  erasure: { readonly project: string; readonly subject: string; readonly principal: string },
): Promise<number> {
  const { project, subject, principal } = erasure;
  // Before looking, so that two erasures of one subject cannot both claim the same payloads.
  await lockHead(tx, project);
  let erased = 0;
  for (;;) {
    const seqs = await listErasable(tx, project, subject, ERASURE_EVENT_LIMIT);
    if (seqs.length === 0) return erased;
    const data: ErasedPayloads = { events: toRanges(seqs), count: seqs.length };
    const { seq } = await append(deps, tx, project, {
      type: ERASED_TYPE,
      principal,
      subject: { kind: 'erasure', id: deps.ids.next('erasure') },
      data,
    });
    await erasePayloadRows(tx, project, seqs, seq);
    erased += seqs.length;
  }
}
