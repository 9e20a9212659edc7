import { type Client, createClient } from '@slipway/client';
import type { Redacted } from '@slipway/kernel';
import { findHolder } from '@slipway/records';
import type { GlobalOptions } from './options.ts';
import type { Output } from './output.ts';

/** A client and how to let go of it. */
export interface Connection {
  readonly client: Client;
  /** `server`: a running one answers. `own`: this process holds the home for the length of the command. */
  readonly through: 'server' | 'own';
  close(): Promise<void>;
}

/**
 * Finds who answers: the address given, the server that holds the home, or this very process, which then opens the
 * home for as long as the command runs. The key is SLIPWAY_KEY; without it the home's own token is used, which only
 * its owner can read.
 */
export async function connect(options: GlobalOptions, output: Output): Promise<Connection> {
  const { key, project } = options;
  if (options.url !== undefined) {
    return { client: createClient({ url: options.url, key, project }), through: 'server', close: async () => {} };
  }
  const holder = await findHolder(options.home);
  if (holder?.url) {
    const client = createClient({ url: holder.url, key: key ?? holder.token ?? undefined, project });
    return { client, through: 'server', close: async () => {} };
  }
  const { startServer } = await import('@slipway/server');
  const server = await startServer({ ...serverOptions(options), listen: false });
  showFirstKey(output, server.createdKey);
  const client = createClient({ url: 'http://127.0.0.1', key: key ?? server.localToken.reveal(), project, fetch: server.fetch });
  return { client, through: 'own', close: () => server.close() };
}

export function serverOptions(options: GlobalOptions) {
  const { home, port, databaseUrl, objectsUrl, key, outboundAllow, secretKey, resourceLimits, modelMemoryMb } = options;
  const keepDays = { uploads: options.keepUploadsDays, runEvents: options.keepRunEventsDays, runSteps: options.keepRunStepsDays };
  return { home, port, databaseUrl, objectsUrl, outboundAllow, secretKey, resourceLimits, modelMemoryMb, keepDays, adminKey: key };
}

/** The one time the generated admin key is shown. */
export function showFirstKey(output: Output, key: Redacted | null): void {
  if (!key) return;
  output.note(`admin key (shown only now, keep it): ${key.reveal()}`);
}

/** Says, after a release was made by a command that held the home itself, that its address answers only once a server runs. */
export function noteUnserved(output: Output, through: Connection['through'], { home }: GlobalOptions): void {
  if (through === 'server') return;
  output.note(`No server is running: that address answers after  slipway up --home ${/\s/.test(home) ? JSON.stringify(home) : home}`);
}

/** Runs a command with a connection and closes it whatever happens. */
export async function withClient<T>(
  options: GlobalOptions,
  output: Output,
  work: (client: Client, connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connect(options, output);
  try {
    return await work(connection.client, connection);
  } finally {
    await connection.close();
  }
}
