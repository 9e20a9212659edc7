import type { Audit } from '@slipway/audit';
import type { SecretBox } from '@slipway/identity';
import { type Clock, type Ids, PlatformError, type Principal, type RandomBytes, toRfc3339 } from '@slipway/kernel';
import type { Records, Tx } from '@slipway/records';
import type { z } from 'zod';
import { type Alert, type Channel, type ChannelBody, ChannelTarget } from '../contract.ts';
import { ChannelExistsError, ChannelNotFoundError, ChannelsLimitError } from '../errors.ts';
import { CHANNELS_LIMIT, DELIVERIES_PER_ROUND_LIMIT, DELIVERY_ATTEMPTS_LIMIT, SEALED_PER_START_LIMIT } from '../limits.ts';
import {
  type ChannelRow,
  type DueDelivery,
  countDeliveries,
  deleteChannel,
  deleteOldDeliveries,
  findChannelRow,
  finishDelivery,
  insertChannel,
  insertDelivery,
  listChannelRows,
  lockOpenChannels,
  lockSealedChannels,
  sealChannelRow,
  takeDueDeliveries,
} from './channel-store.ts';
import { type AllowedHosts, checkHost } from './guard-address.ts';
import { checkUrl, postJson } from './post-json.ts';
import { type News, renderNews, signWebhook, slackBody, subjectOf } from './render-news.ts';
import { openChannel, sealChannel } from './sealed-channel.ts';
import { sendMail } from './send-mail.ts';

const SECRET_BYTES = 32;
const RETRY_FIRST_MS = 15_000;
const RETRY_GROWTH = 3;
const RETRY_MAX_MS = 6 * 3_600_000;
const DELIVERIES_KEPT_MS = 30 * 86_400_000;

export interface ChannelDeps {
  readonly records: Records;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: RandomBytes;
  /** What addresses, passwords and signing secrets are stored under. */
  readonly secrets: SecretBox;
  /** Private hosts that the operator allows. */
  readonly allowed: AllowedHosts;
  /** Told of each attempt. */
  readonly onAttempt?: (project: string, result: 'sent' | 'retried' | 'failed') => void;
}

export interface Channels {
  /** @throws {DestinationRefusedError} {@link ChannelExistsError} {@link ChannelsLimitError} */
  add(project: string, body: z.output<typeof ChannelBody>, principal: Principal): Promise<Channel & { secret: string | null }>;
  list(project: string): Promise<Channel[]>;
  remove(project: string, name: string, principal: Principal): Promise<void>;
  /** Sends a test at once. @returns what came back. */
  test(project: string, name: string): Promise<{ delivered: boolean; error: string | null }>;
  /** Queues a message for every channel that wants it, in the transaction that made it true. */
  announce(tx: Tx, project: string, news: { readonly raised: readonly Alert[]; readonly resolved: readonly Alert[] }): Promise<void>;
  /** Sends what is due; failed ones are tried again, later and later, for about a day. @returns how many were tried. */
  deliver(signal?: AbortSignal): Promise<number>;
  /** Seals what an older version kept open, and again under the current key what an older key seals. @returns how many were. */
  sealStored(): Promise<number>;
}

export function createChannels(deps: ChannelDeps): Channels {
  const { records, clock } = deps;
  return {
    add: (project, body, principal) => add(deps, project, body, principal),
    async list(project) {
      const counts = await countDeliveries(records.db, project);
      const rows = await listChannelRows(records.db, project, CHANNELS_LIMIT);
      return Promise.all(rows.map(async (row) => toChannel(row, counts.get(row.id), await problemOf(deps, row))));
    },
    async remove(project, name, principal) {
      await records.transaction(async (tx) => {
        if (!(await deleteChannel(tx, project, name))) throw new ChannelNotFoundError(name);
        await record(deps, tx, project, 'monitoring.channel.removed', principal.id, name);
      });
    },
    async test(project, name) {
      const row = await findChannelRow(records.db, project, name);
      if (!row) throw new ChannelNotFoundError(name);
      const news: News = { type: 'test', project, raised: [], resolved: [] };
      const error = await attempt(deps, row, deps.ids.next('delivery'), news);
      return { delivered: error === null, error };
    },
    async announce(tx, project, news) {
      for (const row of await listChannelRows(tx, project, CHANNELS_LIMIT)) {
        const wanted = (alerts: readonly Alert[]) =>
          alerts.filter((alert) => row.minimum_severity === 'warn' || alert.severity === 'alert');
        const payload: News = { type: 'alerts', project, raised: wanted(news.raised), resolved: wanted(news.resolved) };
        if (payload.raised.length + payload.resolved.length === 0) continue;
        await insertDelivery(tx, { project, id: deps.ids.next('delivery'), channel: row.id, payload, nowMs: clock.nowMs() });
      }
    },
    async deliver(signal) {
      const due = await takeDueDeliveries(records.db, clock.nowMs(), DELIVERIES_PER_ROUND_LIMIT);
      await Promise.all(due.map((each) => (signal?.aborted ? undefined : deliverOne(deps, each))));
      if (due.length === 0) await deleteOldDeliveries(records.db, clock.nowMs() - DELIVERIES_KEPT_MS);
      return due.length;
    },
    sealStored: () => records.transaction((tx) => sealStored(deps, tx)),
  };
}

async function sealStored({ secrets }: ChannelDeps, tx: Tx): Promise<number> {
  let count = 0;
  for (const { project, id, target, secret } of await lockOpenChannels(tx, SEALED_PER_START_LIMIT)) {
    await sealChannelRow(tx, {
      project,
      id,
      ...(await sealChannel(secrets, { project, id }, { target: ChannelTarget.parse(target), secret })),
    });
    count += 1;
  }
  for (const row of await lockSealedChannels(tx, SEALED_PER_START_LIMIT)) {
    if (await secrets.isCurrent(row.sealed)) continue;
    const content = await openChannel(secrets, row).catch(() => undefined);
    // Without its key it stays as it is, and says so wherever it is shown or used.
    if (content === undefined) continue;
    await sealChannelRow(tx, { ...row, ...(await sealChannel(secrets, row, content)) });
    count += 1;
  }
  return count;
}

/** Why a channel cannot be used; null when it can. */
async function problemOf({ secrets }: ChannelDeps, row: ChannelRow): Promise<string | null> {
  return openChannel(secrets, row).then(() => null, explain);
}

function explain(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (error instanceof PlatformError && error.help !== undefined ? `${text} ${error.help}` : text).slice(0, 500);
}

async function add(deps: ChannelDeps, project: string, body: z.output<typeof ChannelBody>, principal: Principal) {
  const { name, target, minimumSeverity } = body;
  if (target.kind === 'smtp') checkHost(target, deps.allowed);
  else checkUrl(target.url, deps.allowed);
  const secret = target.kind === 'webhook' ? makeSecret(deps.random) : null;
  const id = deps.ids.next('channel');
  const row: ChannelRow = {
    project,
    id,
    name,
    ...(await sealChannel(deps.secrets, { project, id }, { target, secret })),
    minimum_severity: minimumSeverity,
    created_at_ms: deps.clock.nowMs(),
  };
  await deps.records.transaction(async (tx) => {
    const existing = await listChannelRows(tx, project, CHANNELS_LIMIT);
    if (existing.some((each) => each.name === name)) {
      throw new ChannelExistsError(`There is a channel "${name}" already.`, { help: `Remove it first: slipway channels remove ${name}` });
    }
    if (existing.length >= CHANNELS_LIMIT) throw new ChannelsLimitError(`A project has at most ${CHANNELS_LIMIT} channels.`);
    await insertChannel(tx, row);
    await record(deps, tx, project, 'monitoring.channel.added', principal.id, name);
  });
  return { ...toChannel(row, undefined, null), secret };
}

function makeSecret(random: RandomBytes): string {
  const bytes = new Uint8Array(SECRET_BYTES);
  random(bytes);
  return `whsec_${Buffer.from(bytes).toString('base64')}`;
}

function record(deps: ChannelDeps, tx: Tx, project: string, type: string, principal: string, name: string): Promise<unknown> {
  // Neither address nor secret: a Slack address alone lets anybody post.
  return deps.audit.append(tx, project, { type, principal, subject: { kind: 'channel', id: name }, data: {} });
}

function toChannel(
  row: ChannelRow,
  counts: { sent: number; waiting: number; failed: number; last_error: string | null } | undefined,
  problem: string | null,
): Channel {
  const { sent = 0, waiting = 0, failed = 0, last_error: lastError = null } = counts ?? {};
  return {
    id: row.id,
    name: row.name,
    kind: row.target.kind,
    host: row.target.host,
    minimumSeverity: row.minimum_severity,
    createdAt: toRfc3339(row.created_at_ms),
    problem,
    deliveries: { sent, waiting, failed, lastError },
  };
}

async function deliverOne(deps: ChannelDeps, due: DueDelivery): Promise<void> {
  const error = await attempt(deps, due, due.delivery, due.payload);
  const nowMs = deps.clock.nowMs();
  const isOver = due.attempts >= DELIVERY_ATTEMPTS_LIMIT;
  const status = error === null ? 'sent' : isOver ? 'failed' : 'waiting';
  const waitMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * RETRY_GROWTH ** (due.attempts - 1));
  await finishDelivery(deps.records.db, due.project, due.delivery, { status, error, nextAtMs: nowMs + waitMs, nowMs });
  deps.onAttempt?.(due.project, status === 'waiting' ? 'retried' : status);
}

/** @returns null when the receiver took it, else why not. The id stays the same over all attempts, so a receiver can tell repeats. */
async function attempt(deps: ChannelDeps, channel: ChannelRow, id: string, news: News): Promise<string | null> {
  try {
    const { target, secret } = await openChannel(deps.secrets, channel);
    if (target.kind === 'smtp') {
      await sendMail(target, { from: target.from, to: target.to, subject: subjectOf(news), text: renderNews(news) }, deps.allowed);
      return null;
    }
    const body = target.kind === 'slack' ? slackBody(news) : JSON.stringify({ id, ...news, text: renderNews(news) });
    const headers = target.kind === 'webhook' && secret !== null ? signWebhook(secret, id, deps.clock.nowMs(), body) : {};
    const { status } = await postJson(target.url, body, { headers, allowed: deps.allowed });
    return status >= 200 && status < 300 ? null : `the receiver answered ${status}`;
  } catch (error) {
    return explain(error);
  }
}
