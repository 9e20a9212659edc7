import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '@slipway/client';
import { goodTable } from '../bad-input/bad-files.ts';
import { KEY, type Where, runCli, startCli, temporaryHome } from '../faults/server-process.ts';

const NUMERIC_CSV = fileURLToPath(new URL('../../packages/project/quickstart/breast-cancer.csv', import.meta.url));
const ROWS = 16;

/** What a client needs: addresses, the key, and two models with rows for them, one of numbers only, one with text. */
export interface Plan {
  readonly http: string;
  readonly grpc: string;
  readonly key: string;
  readonly numeric: { readonly name: string; readonly fields: readonly string[]; readonly rows: readonly (readonly number[])[] };
  readonly mixed: { readonly name: string; readonly rows: readonly { readonly age: number; readonly plan: string }[] };
}

export interface ProtocolServer {
  readonly plan: Plan;
  readonly client: Client;
  remove(): Promise<void>;
}

/** A server with both halves of the protocol and two launched models. */
export async function startProtocolServer(): Promise<ProtocolServer> {
  const { home, remove } = await temporaryHome();
  const where: Where = { home };
  const server = startCli(where, ['up', '--port', '0', '--grpc-port', '0', '--json']);
  const { url, grpc } = JSON.parse(await server.firstLine) as { url: string; grpc: string };
  const mixedCsv = join(dirname(home), 'mixed.csv');
  await writeFile(mixedCsv, goodTable());
  await launch(where, [mixedCsv, '--target', 'left', '--name', 'mixed']);
  await launch(where, [NUMERIC_CSV, '--target', 'diagnosis', '--name', 'numeric']);
  const lines = (await readFile(NUMERIC_CSV, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => line.split(','));
  const fields = (lines[0] as string[]).slice(0, -1);
  const rows = lines.slice(1, ROWS + 1).map((cells) => cells.slice(0, -1).map(Number));
  const plan: Plan = {
    http: new URL(url).host,
    grpc,
    key: KEY,
    numeric: { name: 'numeric', fields, rows },
    mixed: {
      name: 'mixed',
      rows: Array.from({ length: ROWS }, (_, row) => ({ age: 20 + row * 3, plan: row % 2 === 0 ? 'pro' : 'ünbekannt 你' })),
    },
  };
  return { plan, client: createClient({ url, key: KEY }), remove };
}

async function launch(where: Where, args: readonly string[]): Promise<void> {
  const ended = await runCli(where, ['launch', ...args, '--seconds', '0.5', '--json', '--force']);
  assert.equal(ended.code, 0, ended.stderr);
}

/** What /v1 says of the same rows: labels, and probabilities in the order of the sorted classes. */
export async function expectedOf(
  client: Client,
  name: string,
  rows: readonly object[],
): Promise<{ labels: string[]; probabilities: number[] }> {
  const { predictions } = await client.predict(name, { rows: [...rows] });
  return {
    labels: predictions.map(({ prediction }) => String(prediction)),
    probabilities: predictions.flatMap(({ probabilities = {} }) =>
      Object.keys(probabilities)
        .toSorted()
        .map((label) => probabilities[label] as number),
    ),
  };
}

export function rowsOf(fields: readonly string[], matrix: readonly (readonly number[])[]): Record<string, number>[] {
  return matrix.map((values) => Object.fromEntries(fields.map((field, index) => [field, values[index] as number])));
}
