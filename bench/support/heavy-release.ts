import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { heavyModel } from '@slipway/models/testing';
import { KEY, type ServerOptions, runSlipway } from './slipway-process.ts';

/** Side of the squared matrix: about 20 ms a run on the machine of the figures. */
export const HEAVY_SIZE = 1_150;
export const HEAVY_NAME = 'heavy';

/** Launches the heavy model, a run of which takes tens of milliseconds whatever its rows. @param serving as `--serving` takes it. */
export async function launchHeavy(options: ServerOptions, folder: string, serving?: string, size = HEAVY_SIZE): Promise<void> {
  const file = join(folder, 'heavy.onnx');
  await writeFile(file, heavyModel(size).bytes);
  await runSlipway(options, [
    'launch',
    file,
    '--name',
    HEAVY_NAME,
    '--task',
    'regression',
    '--json',
    ...(serving === undefined ? [] : ['--serving', serving]),
  ]);
}

/** One request of a row over HTTP, with PORT where the port goes. */
export function predictRequest(release: string, row: object, headers: readonly string[] = []): string {
  const body = JSON.stringify({ rows: [row] });
  const head = [
    `POST /v1/releases/${release}/predict HTTP/1.1`,
    'Host: 127.0.0.1:PORT',
    `Authorization: Bearer ${KEY}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...headers,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

/** The server's metrics now, by series: `slipway_event_loop_delay_seconds{percentile="99"}`; NaN for one that is not there. */
export async function readMetrics(url: string): Promise<(series: string) => number> {
  const reply = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${KEY}` } });
  if (!reply.ok) throw new Error(`GET /metrics answered ${reply.status}`);
  const lines = (await reply.text()).split('\n');
  return (series) => Number(lines.find((line) => line.startsWith(`${series} `))?.slice(series.length + 1) ?? Number.NaN);
}
