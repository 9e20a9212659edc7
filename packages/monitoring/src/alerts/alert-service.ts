import type { Audit } from '@slipway/audit';
import { type Clock, type Ids, type Page, type Principal, ConflictError, isId } from '@slipway/kernel';
import type { Records, Tx } from '@slipway/records';
import type { Alert, AlertResponse } from '../contract.ts';
import { AlertNotFoundError } from '../errors.ts';
import { CLEAR_CHECKS_COUNT } from '../limits.ts';
import {
  type AlertRow,
  acknowledgeAlertRow,
  countClear,
  findAlert,
  insertAlert,
  listAlertRows,
  lockCurrentAlerts,
  repeatAlert,
  resolveAlertRow,
  toAlert,
} from './alert-store.ts';
import type { Finding } from './finding.ts';

const CURRENT_LIMIT = 1_000;

export interface AlertDeps {
  readonly records: Records;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  /** Puts a message about new and resolved alerts into the channels' queue, in the same transaction. */
  readonly announce: (
    tx: Tx,
    project: string,
    news: { readonly raised: readonly Alert[]; readonly resolved: readonly Alert[] },
  ) => Promise<void>;
  /** What training again did about a release's alerts, or how to start it; read before a transaction, told inside. */
  readonly respond?: ((project: string, release: string) => Promise<(alert: Alert) => AlertResponse | null>) | undefined;
}

/** What training again may mend. */
const MENDABLE: ReadonlySet<string> = new Set(['drift', 'dataset-drift', 'multivariate', 'concept', 'quality']);

export interface Alerts {
  /**
   * Takes what a check found: a new finding raises an alert, a repeated one is counted, one that got worse is told again, and
   * one that two checks in a row no longer found is resolved. One message tells of all that is new.
   * @param kinds the kinds of question that this check asked; alerts of others are left alone.
   */
  settle(
    project: string,
    release: string,
    findings: readonly Finding[],
    kinds: ReadonlySet<string>,
  ): Promise<{ raised: Alert[]; resolved: Alert[] }>;
  list(
    project: string,
    query: {
      readonly status?: string | undefined;
      readonly release?: string | undefined;
      readonly cursor?: string | undefined;
      readonly limit: number;
    },
  ): Promise<Page<Alert>>;
  get(project: string, id: string): Promise<Alert>;
  /** Somebody looks into it: it is told no more unless it gets worse. @throws {ConflictError} when it is resolved. */
  acknowledge(project: string, id: string, principal: Principal, note: string | undefined): Promise<Alert>;
  /** It is over; when a check finds it again it is a new alert. */
  resolve(project: string, id: string, principal: Principal, note: string | undefined): Promise<Alert>;
}

export function createAlerts(deps: AlertDeps): Alerts {
  const get = async (project: string, id: string) => {
    const alert = toAlert(await requireAlert(deps.records.db, project, id));
    return (await withResponses(deps, project, [alert]))[0] ?? alert;
  };
  return {
    settle: (project, release, findings, kinds) => settle(deps, project, release, findings, kinds),
    get,
    async list(project, { status, release, cursor, limit }) {
      const before = cursor !== undefined && isId('alert', cursor) ? cursor : undefined;
      const rows = await listAlertRows(deps.records.db, project, { status, release }, { before, limit: limit + 1 });
      const page = rows.slice(0, limit);
      return {
        items: await withResponses(deps, project, page.map(toAlert)),
        nextCursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null,
      };
    },
    async acknowledge(project, id, principal, note) {
      await deps.records.transaction(async (tx) => {
        const row = await requireAlert(tx, project, id, true);
        requireCurrent(row);
        await acknowledgeAlertRow(tx, project, id, principal.id, note ?? null);
        await record(deps, tx, project, 'monitoring.alert.acknowledged', principal.id, row, note);
      });
      return get(project, id);
    },
    async resolve(project, id, principal, note) {
      await deps.records.transaction(async (tx) => {
        const row = await requireAlert(tx, project, id, true);
        requireCurrent(row);
        await resolveAlertRow(tx, project, id, { principal: principal.id, note: note ?? null, nowMs: deps.clock.nowMs() });
        await record(deps, tx, project, 'monitoring.alert.resolved', principal.id, row, note);
      });
      return get(project, id);
    },
  };
}

type Told = (alert: Alert) => Alert;

/** Adds to alerts of a release what was done about them. An alert is told all the same when that cannot be read. */
async function responder({ respond }: AlertDeps, project: string, release: string): Promise<Told> {
  const found = await respond?.(project, release).catch(() => undefined);
  return (alert) => (found && MENDABLE.has(alert.kind) ? { ...alert, response: found(alert) } : alert);
}

async function withResponses(deps: AlertDeps, project: string, alerts: readonly Alert[]): Promise<Alert[]> {
  const known = new Map<string, Told>();
  const told: Alert[] = [];
  for (const alert of alerts) {
    if (!MENDABLE.has(alert.kind)) {
      told.push(alert);
      continue;
    }
    const tell = known.get(alert.release) ?? (await responder(deps, project, alert.release));
    known.set(alert.release, tell);
    told.push(tell(alert));
  }
  return told;
}

async function requireAlert(db: Parameters<typeof findAlert>[0], project: string, id: string, lock = false): Promise<AlertRow> {
  const found = isId('alert', id) ? await findAlert(db, project, id, lock) : undefined;
  if (!found) throw new AlertNotFoundError(id);
  return found;
}

function requireCurrent(row: AlertRow): void {
  if (row.status === 'resolved') {
    throw new ConflictError(`Alert ${row.id} is resolved already.`, { details: { alert: row.id, resolvedBy: row.resolved_by } });
  }
}

function record(deps: AlertDeps, tx: Tx, project: string, type: string, principal: string, row: AlertRow, note?: string): Promise<unknown> {
  const { release, kind, about, severity } = row;
  return deps.audit.append(tx, project, {
    type,
    principal,
    subject: { kind: 'alert', id: row.id },
    data: { release, kind, about, severity, note: note ?? null },
  });
}

async function settle(
  deps: AlertDeps,
  project: string,
  release: string,
  findings: readonly Finding[],
  kinds: ReadonlySet<string>,
): Promise<{ raised: Alert[]; resolved: Alert[] }> {
  const tell = kinds.isDisjointFrom(MENDABLE) ? undefined : await responder(deps, project, release);
  return deps.records.transaction(async (tx) => {
    const current = await lockCurrentAlerts(tx, project, release, CURRENT_LIMIT);
    const raisedIds = await raise(deps, tx, project, findings, current);
    const resolvedIds: string[] = [];
    for (const row of current) {
      if (!kinds.has(row.kind) || findings.some((finding) => isSame(finding, row))) continue;
      if (row.clear_count + 1 < CLEAR_CHECKS_COUNT) await countClear(tx, project, row.id);
      else {
        await resolveAlertRow(tx, project, row.id, { principal: 'system', note: null, nowMs: deps.clock.nowMs() });
        resolvedIds.push(row.id);
      }
    }
    const read = async (ids: readonly string[]) => {
      const found: Alert[] = [];
      for (const id of ids) {
        const alert = toAlert(await requireAlert(tx, project, id));
        found.push(tell ? tell(alert) : alert);
      }
      return found;
    };
    const news = { raised: await read(raisedIds), resolved: await read(resolvedIds) };
    if (news.raised.length + news.resolved.length > 0) {
      await deps.announce(tx, project, news);
      await recordNews(deps, tx, project, release, news);
    }
    return news;
  });
}

function isSame(finding: Finding, row: AlertRow): boolean {
  return finding.kind === row.kind && finding.about === row.about;
}

/** @returns the ids of alerts that are new or got worse. */
async function raise(
  deps: AlertDeps,
  tx: Tx,
  project: string,
  findings: readonly Finding[],
  current: readonly AlertRow[],
): Promise<string[]> {
  const nowMs = deps.clock.nowMs();
  const told: string[] = [];
  for (const finding of findings) {
    const before = current.find((row) => isSame(finding, row));
    if (!before) {
      const id = deps.ids.next('alert');
      await insertAlert(tx, project, id, finding, nowMs);
      told.push(id);
      continue;
    }
    const worse = before.severity === 'warn' && finding.severity === 'alert';
    await repeatAlert(tx, project, before.id, finding, worse, nowMs);
    if (worse) told.push(before.id);
  }
  return told;
}

/** One event a check, last in the transaction, as the log asks. */
function recordNews(
  deps: AlertDeps,
  tx: Tx,
  project: string,
  release: string,
  news: { readonly raised: readonly Alert[]; readonly resolved: readonly Alert[] },
): Promise<unknown> {
  const brief = (alert: Alert) => ({ id: alert.id, kind: alert.kind, about: alert.about, severity: alert.severity });
  return deps.audit.append(tx, project, {
    type: news.raised.length > 0 ? 'monitoring.alert.raised' : 'monitoring.alert.cleared',
    principal: 'system',
    subject: { kind: 'release', id: release },
    data: { raised: news.raised.map(brief), resolved: news.resolved.map(brief) },
  });
}
