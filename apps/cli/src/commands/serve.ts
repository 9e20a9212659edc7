import type { RunningServer } from '@slipway/server';
import type { Command } from 'commander';
import { createClient } from '@slipway/client';
import { findHolder } from '@slipway/records';
import { serverOptions } from '../connect.ts';
import { launchFiles } from '../launch-file.ts';
import { type GlobalOptions, globalOptions } from '../options.ts';
import { type Output, createOutput } from '../output.ts';
import { curlFor, showLaunch } from '../show-launch.ts';

const GRPC_PORT = '--grpc-port <port>';
const GRPC_PORT_TEXT = 'serve the Open Inference Protocol over gRPC on this port too (SLIPWAY_GRPC_PORT)';

/** The commands that stay: `up`, and `quickstart`, which is `up` with a first launch. */
export function addServe(program: Command): void {
  program
    .command('up')
    .description('start the server with everything in it')
    .option(GRPC_PORT, GRPC_PORT_TEXT)
    .action(async (_flags: object, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      const server = await start(options, output);
      announce(server, output);
      await untilStopped(server, options, output);
    });
  program
    .command('quickstart')
    .description('start the server and launch a first model on a data set that comes with Slipway')
    .option(GRPC_PORT, GRPC_PORT_TEXT)
    .action(async (_flags: object, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      const server = await start(options, output);
      await launchQuickstart(server, options, output);
      announce(server, output);
      await untilStopped(server, options, output);
    });
}

async function start(options: GlobalOptions, output: Output): Promise<RunningServer> {
  const holder = await findHolder(options.home);
  if (holder?.url) output.note(`A server for ${options.home} runs already at ${holder.url}.`);
  const { startServer } = await import('@slipway/server');
  return startServer({ ...serverOptions(options), grpcPort: options.grpcPort, listen: true });
}

function announce(server: RunningServer, output: Output): void {
  if (output.json)
    output.data(
      JSON.stringify({ url: server.url, grpc: server.grpcAddress, home: server.home, adminKey: server.createdKey?.reveal() ?? null }),
    );
  else output.data(`\nSlipway ${server.version} is up at ${server.url ?? ''}   (home ${server.home}; stop with Ctrl-C)`);
  if (server.grpcAddress !== null && !output.json) output.data(`Open Inference Protocol over gRPC at ${server.grpcAddress}`);
  const key = server.createdKey?.reveal();
  if (key !== undefined && !output.json) output.data(`admin key (shown only now, keep it): ${key}\nfor curl:   export SLIPWAY_KEY=${key}`);
}

const QUICKSTART_NAME = 'breast-cancer';
const QUICKSTART_SECONDS = 5;

async function launchQuickstart(server: RunningServer, options: GlobalOptions, output: Output): Promise<void> {
  const client = createClient({
    url: server.url ?? 'http://127.0.0.1',
    key: options.key ?? server.localToken.reveal(),
    fetch: server.fetch,
  });
  const releases = await client.releases.list({ limit: 500 });
  if (releases.items.some((release) => release.name === QUICKSTART_NAME)) {
    output.data(
      `The release "${QUICKSTART_NAME}" is live already; try:\n${curlFor(`${server.url ?? ''}/v1/releases/${QUICKSTART_NAME}/predict`, await exampleRow())}`,
    );
    return;
  }
  const { LaunchDefinition } = await import('@slipway/project/contract');
  const { quickstartFile } = await import('@slipway/project/quickstart');
  const definition = LaunchDefinition.parse({
    name: QUICKSTART_NAME,
    dataset: QUICKSTART_NAME,
    target: 'diagnosis',
    positive: 'malignant',
    train: { kind: 'auto', seconds: QUICKSTART_SECONDS },
  });
  const result = await launchFiles(client, { definition, dataPath: quickstartFile(), force: false, mode: 'always' }, output);
  output.data(showLaunch(result));
}

async function exampleRow(): Promise<Record<string, unknown>> {
  const { quickstartExample } = await import('@slipway/project/quickstart');
  return quickstartExample();
}

/** A stop that takes longer than this after the lame-duck time ends the process as failed. */
const STOP_LIMIT_MS = 30_000;

const PARENT_LOOK_MS = 500;

/**
 * npm passes SIGTERM to the shell it started this process with, and that shell dies of it without passing it on. So under npm the
 * end of the parent is the order to stop. A server that something else started does not depend on its parent.
 */
function stopWithNpm(stop: () => void): void {
  if (process.env['npm_command'] === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop();
  }, PARENT_LOOK_MS).unref();
}

/** Waits for Ctrl-C or SIGTERM, or for the end of npm where it started this, then answers everything that was accepted. A second signal ends at once. */
async function untilStopped(server: RunningServer, { lameDuckMs }: GlobalOptions, output: Output): Promise<void> {
  await new Promise<void>((resolve) => {
    const stop = () => {
      process.once('SIGINT', () => process.exit(130));
      process.once('SIGTERM', () => process.exit(143));
      resolve();
    };
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
    stopWithNpm(stop);
  });
  output.note(lameDuckMs > 0 ? `stopping in ${lameDuckMs} ms …` : 'stopping …');
  setTimeout(() => {
    output.note('It did not stop in time.');
    process.exit(1);
  }, lameDuckMs + STOP_LIMIT_MS).unref();
  await server.drain({ lameDuckMs });
  await server.close();
}
