import { randomBytes } from 'node:crypto';
import type { Ids, Page, Principal } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import type { Workflows } from '@slipway/workflows';
import type { ErasureReceipt } from './contract.ts';
import { ErasureFailedError, ErasureNotFoundError } from './errors.ts';
import { findErasure, insertErasure, listErasures, toReceipt } from './erasure-store.ts';
import { ERASURE_WORKFLOW, type ErasureDeps } from './erasure-workflow.ts';

/** A caller waits this long for the receipt; a longer erasure goes on and can be asked for by its id. */
const WAIT_MS = 110_000;

export interface Erasures {
  /** Erases a person and waits for the receipt. Asking again erases what came since. */
  erase(project: string, principal: Principal, subject: string, signal?: AbortSignal): Promise<ErasureReceipt>;
  get(project: string, id: string): Promise<ErasureReceipt>;
  list(project: string, options: { cursor?: string; limit: number }): Promise<Page<ErasureReceipt>>;
}

export function createErasures(deps: ErasureDeps & { readonly ids: Ids }, workflows: Workflows): Erasures {
  const get = async (project: string, id: string) => {
    const row = await findErasure(deps.records.db, project, id);
    if (!row) throw new ErasureNotFoundError(id);
    return toReceipt(row);
  };
  return {
    get,
    async erase(project, principal, subject, signal) {
      const id = deps.ids.next('erasure');
      const runId = deps.ids.next('run');
      const salt = randomBytes(16).toString('hex');
      await deps.records.transaction(async (tx) => {
        await insertErasure(tx, {
          project,
          id,
          subject,
          subjectHash: `${salt}:${sha256Hex(salt + subject)}`,
          run: runId,
          principal: principal.id,
          nowMs: deps.clock.nowMs(),
        });
        await workflows.start(tx, {
          project,
          principal,
          workflow: ERASURE_WORKFLOW,
          input: { erasure: id },
          title: 'erase a person',
          runId,
        });
      });
      const run = await workflows.wait(project, runId, { timeoutMs: WAIT_MS, ...(signal ? { signal } : {}) });
      if (run.status === 'failed') throw new ErasureFailedError(runId, run.error?.code ?? null);
      return get(project, id);
    },
    async list(project, { cursor, limit }) {
      const rows = await listErasures(deps.records.db, project, cursor, limit + 1);
      const items = rows.slice(0, limit).map(toReceipt);
      return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
    },
  };
}
