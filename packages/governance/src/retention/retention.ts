import type { Audit } from '@slipway/audit';
import type { Catalog } from '@slipway/catalog';
import { type Clock, ConflictError, type Job, defineRoute, type Route } from '@slipway/kernel';
import type { ObjectRef, Objects } from '@slipway/objects';
import type { Records } from '@slipway/records';
import { pruneRuns, runSizes, runsMention } from '@slipway/workflows';
import { KEEP_DAYS_DEFAULT, type KeepDays, RetentionReport } from './contract.ts';
import { type UploadRow, forgetUpload, listOldUploads, lockOldUpload, markChecked, touchUpload, uploadSizes } from './upload-store.ts';

/** Uploads looked at in one pass; the next pass takes more. */
export const SWEEP_UPLOADS_LIMIT = 200;
const SWEEP_EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** The bytes went while they were sent again: a sweep had begun to delete them. */
export class UploadLostError extends ConflictError {
  override readonly code = 'governance/upload-lost';
  override readonly remedy = 'retry' as const;
}

export interface RetentionDeps {
  readonly records: Records;
  readonly objects: Objects;
  readonly audit: Audit;
  readonly catalog: Pick<Catalog, 'mentions'>;
  readonly clock: Clock;
  readonly keepDays?: WishedKeepDays;
}

/** What is left out, or undefined, is as by default. */
export type WishedKeepDays = { readonly [K in keyof KeepDays]?: KeepDays[K] | undefined } | undefined;

export interface Retention {
  /** To be told of every upload. @throws {UploadLostError} */
  uploaded(project: string, upload: ObjectRef): Promise<void>;
  /** Deletes what has been kept long enough, a bounded share of it; what went is audited in its project. */
  sweep(signal?: AbortSignal): Promise<Swept[]>;
  report(project: string): Promise<RetentionReport>;
}

/** What one pass deleted of a project. */
export interface Swept {
  readonly project: string;
  readonly uploads: number;
  readonly uploadBytes: number;
  readonly runEvents: number;
  readonly runs: number;
}

export function createRetention(deps: RetentionDeps): Retention {
  const wished = Object.entries(deps.keepDays ?? {}).filter(([, days]) => days !== undefined);
  const keepDays: KeepDays = { ...KEEP_DAYS_DEFAULT, ...Object.fromEntries(wished) };
  const { records, objects, clock } = deps;
  return {
    async uploaded(project, upload) {
      await touchUpload(records.db, { project, ...upload, nowMs: clock.nowMs() });
      if (await objects.has(project, upload.sha256)) return;
      throw new UploadLostError('These bytes were being deleted while they arrived.', { help: 'Send them again.' });
    },
    async sweep(signal) {
      const nowMs = clock.nowMs();
      const removed = await sweepUploads(deps, nowMs - keepDays.uploads * DAY_MS, signal);
      const pruned = await pruneRuns(records, {
        eventsBeforeMs: nowMs - keepDays.runEvents * DAY_MS,
        stepsBeforeMs: nowMs - keepDays.runSteps * DAY_MS,
      });
      const projects = new Set([...removed, ...pruned].map((each) => each.project));
      const swept = [...projects].toSorted().map((project): Swept => {
        const own = removed.filter((each) => each.project === project);
        const runs = pruned.find((each) => each.project === project);
        const uploadBytes = own.reduce((sum, each) => sum + each.sizeBytes, 0);
        return { project, uploads: own.length, uploadBytes, runEvents: runs?.events ?? 0, runs: runs?.runs ?? 0 };
      });
      for (const { project, ...data } of swept) {
        const subject = { kind: 'project', id: project };
        await records.transaction((tx) =>
          deps.audit.append(tx, project, { type: 'governance.retention.swept', principal: 'system', subject, data: { ...data, keepDays } }),
        );
      }
      return swept;
    },
    async report(project) {
      const { runs: count, ...runs } = await runSizes(records.db, project);
      return { keepDays, uploads: await uploadSizes(records.db, project), runs: { count, ...runs } };
    },
  };
}

async function sweepUploads(deps: RetentionDeps, beforeMs: number, signal: AbortSignal | undefined): Promise<UploadRow[]> {
  const removed: UploadRow[] = [];
  for (const upload of await listOldUploads(deps.records.db, beforeMs, SWEEP_UPLOADS_LIMIT)) {
    if (signal?.aborted) break;
    if (await sweepUpload(deps, upload, beforeMs)) removed.push(upload);
  }
  return removed;
}

/** Deletes one upload unless something uses it. The row is held meanwhile, so that sending the bytes again waits for the end. */
async function sweepUpload({ records, objects, catalog, clock }: RetentionDeps, upload: UploadRow, beforeMs: number): Promise<boolean> {
  const { project, sha256 } = upload;
  return records.transaction(async (tx) => {
    if (!(await lockOldUpload(tx, upload, beforeMs))) return false;
    if (await catalog.mentions(tx, project, sha256)) {
      // A version's now: it goes with the version, or by erasure.
      await forgetUpload(tx, upload);
      return false;
    }
    if (await runsMention(tx, project, sha256, beforeMs)) {
      await markChecked(tx, upload, clock.nowMs());
      return false;
    }
    await forgetUpload(tx, upload);
    return objects.delete(project, sha256);
  });
}

export function retentionJob(retention: Retention): Job {
  return { name: 'governance.retention', everyMs: SWEEP_EVERY_MS, run: async (signal) => void (await retention.sweep(signal)) };
}

export function retentionRoutes(retention: Retention): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/retention',
      permission: 'project.read',
      summary: 'What is kept of uploads and ended runs, and for how long.',
      response: RetentionReport,
      handle: ({ project }) => retention.report(project),
    }),
  ];
}
