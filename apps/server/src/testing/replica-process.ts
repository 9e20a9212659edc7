import { type Capability, type Json, Redacted, canonicalJson, defineWorkflow } from '@slipway/kernel';
import { sha256Hex } from '@slipway/kernel/hash';
import { z } from 'zod';
import { type RunningServer, startServer } from '../index.ts';
import { replicaModel } from './replica-model.ts';
import type { ReplicaCommand, ReplicaPlace } from './replica-child.ts';

/**
 * A server as one of several on a database, in a process of its own, because tests kill it. Does what its parent asks (see
 * `ReplicaCommand`) and answers with the result, or with the error's text.
 */
const STEPS = 40;
const STEP_MS = 200;
const PRINCIPAL = 'prn_test';

/** A run of many short steps: long enough to be killed in the middle. */
const counting = defineWorkflow({
  name: 'counting',
  version: 1,
  input: z.object({}),
  run: async (context) => {
    const by: number[] = [];
    for (let step = 0; step < STEPS; step += 1) {
      const pid = await context.step(`step ${step}`, async () => {
        await new Promise((resolve) => setTimeout(resolve, STEP_MS));
        return process.pid;
      });
      by.push(pid);
    }
    return { by };
  },
});

const capability: Capability = { name: 'counting', workflows: [counting] };
let server: RunningServer | undefined;

async function start({ secretKey, ...place }: ReplicaPlace): Promise<string | null> {
  const key = secretKey === undefined ? undefined : new Redacted(secretKey);
  server = await startServer({ ...place, port: 0, listen: true, secretKey: key, extra: { capabilities: [capability] } });
  return server.url;
}

/** What a launch does in the end. */
async function publish({ house }: RunningServer, seed: number): Promise<null> {
  const { records, catalog, releases, objects } = house;
  const { project } = (await house.identity.bootstrap({})).admin;
  const { bytes, metadata } = replicaModel(seed);
  const { sha256 } = await objects.put(project, bytes);
  const meta = { onnx: sha256, metadata: JSON.parse(canonicalJson(metadata)) as Json };
  const shared = { project, run: null, principal: PRINCIPAL, kind: 'model', name: 'shared' } as const;
  await records.transaction(async (tx) => {
    const { version } = await catalog.register(tx, { ...shared, recipe: sha256Hex(`shared ${seed}`), content: sha256, meta, parents: [] });
    await releases.publish(tx, { ...shared, version: version.id, revise: 'always' });
  });
  return null;
}

async function startRun({ house: { identity, records, workflows } }: RunningServer): Promise<string> {
  const { project } = (await identity.bootstrap({})).admin;
  const principal = { id: PRINCIPAL, project, role: 'engineer', instance: false, label: 'test' } as const;
  const run = await records.transaction((tx) => workflows.start(tx, { project, principal, workflow: 'counting', input: {} }));
  return run.id;
}

async function obey(command: ReplicaCommand): Promise<unknown> {
  if (command.do === 'start') return start(command.place);
  if (!server) throw new Error('the replica was not started');
  if (command.do === 'publish') return publish(server, command.seed);
  if (command.do === 'run') return startRun(server);
  if (command.do === 'roll') return server.house.telemetry.roll();
  await server.close();
  return null;
}

process.on('message', async (command: ReplicaCommand) => {
  const reply = await obey(command).then(
    (value) => ({ value }),
    (error: unknown) => ({ error: String(error) }),
  );
  process.send?.(reply);
});
