import { access, constants, stat, statfs } from 'node:fs/promises';
import type { Client } from '@slipway/client';
import { findHolder } from '@slipway/records';
import { withClient } from './connect.ts';
import type { GlobalOptions } from './options.ts';
import type { Output } from './output.ts';

export interface Finding {
  readonly check: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly message: string;
}

/** Free space below which Slipway should not be trusted to keep recording. */
const FREE_SPACE_WARN_BYTES = 2e9;
const FREE_SPACE_FAIL_BYTES = 2e8;
const NODE_MAJOR = 24;
const KEY_WARN_DAYS = 14;

/** Looks at everything that commonly goes wrong. Never throws: what cannot be looked at is a finding. */
export async function examine(options: GlobalOptions, output: Output): Promise<Finding[]> {
  const local = await Promise.all([checkRuntime(), checkHome(options.home), checkDisk(options.home), checkHolder(options.home)]);
  const remote = await withClient(options, output, async (client) => {
    const findings: Finding[] = [];
    const health = await client.health();
    findings.push({ check: 'server', status: 'ok', message: `version ${health.version} answers` });
    const audit = await client.audit.verify();
    findings.push({
      check: 'audit log',
      status: audit.ok ? 'ok' : 'fail',
      message: audit.ok ? `${audit.events} events verified` : `${audit.problems.length} problems; run slipway audit verify`,
    });
    const keys = await client.keys.list();
    const soon = keys.items.filter((key) => key.revokedAt === null && Date.parse(key.expiresAt) < Date.now() + KEY_WARN_DAYS * 86_400_000);
    findings.push(
      soon.length === 0
        ? { check: 'keys', status: 'ok', message: `${keys.items.length} known` }
        : { check: 'keys', status: 'warn', message: `expire within ${KEY_WARN_DAYS} days: ${soon.map((key) => key.label).join(', ')}` },
    );
    const { resources } = await client.resources();
    for (const { resource, verdict, message } of resources.filter((each) => each.value !== null)) {
      findings.push({ check: `server ${resource}`, status: verdict === 'alert' ? 'fail' : verdict, message });
    }
    const { items } = await client.channels.list();
    const broken = items.filter((channel) => channel.problem !== null);
    findings.push(
      broken.length === 0
        ? { check: 'channels', status: 'ok', message: `${items.length} known` }
        : { check: 'channels', status: 'fail', message: `${broken.map((channel) => channel.name).join(', ')}: ${broken[0]?.problem}` },
    );
    findings.push(await checkKept(client));
    return findings;
  }).catch((error: unknown): Finding[] => [
    { check: 'server', status: 'fail', message: error instanceof Error ? error.message : String(error) },
  ]);
  return [...local, ...remote];
}

/** What uploads and ended runs take, and for how long they are kept. */
async function checkKept(client: Client): Promise<Finding> {
  const { uploads, runs, keepDays } = await client.retention.get();
  const counts = [
    `${uploads.count} uploads that no version uses (${(uploads.sizeBytes / 1e6).toFixed(1)} MB, ${keepDays.uploads} days)`,
    `${runs.events} events of ${runs.count} runs (${keepDays.runEvents} days)`,
    `steps of ${runs.withSteps} runs (${keepDays.runSteps} days)`,
  ];
  return { check: 'kept', status: 'ok', message: counts.join('; ') };
}

async function checkRuntime(): Promise<Finding> {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < NODE_MAJOR) return { check: 'Node', status: 'fail', message: `${process.versions.node}; needs ${NODE_MAJOR} or newer` };
  return { check: 'Node', status: 'ok', message: process.versions.node };
}

async function checkHome(home: string): Promise<Finding> {
  const info = await stat(home).catch(() => undefined);
  if (!info) return { check: 'home', status: 'ok', message: `${home} will be made at the first start` };
  const writable = await access(home, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!writable) return { check: 'home', status: 'fail', message: `${home} cannot be written` };
  if ((info.mode & 0o077) !== 0) return { check: 'home', status: 'warn', message: `${home} can be read by others: chmod 700 ${home}` };
  return { check: 'home', status: 'ok', message: home };
}

async function checkDisk(home: string): Promise<Finding> {
  const space = await statfs(home).catch(() => statfs('.'));
  const freeBytes = space.bavail * space.bsize;
  const status = freeBytes < FREE_SPACE_FAIL_BYTES ? 'fail' : freeBytes < FREE_SPACE_WARN_BYTES ? 'warn' : 'ok';
  return { check: 'disk', status, message: `${(freeBytes / 1e9).toFixed(1)} GB free` };
}

async function checkHolder(home: string): Promise<Finding> {
  const holder = await findHolder(home);
  return {
    check: 'process',
    status: 'ok',
    message: holder ? `process ${holder.pid} holds the home${holder.url ? ` at ${holder.url}` : ''}` : 'no server runs on this home',
  };
}
