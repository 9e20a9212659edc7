import { spawn } from 'node:child_process';

/** Runs every check of the house side by side and prints only what failed. Exit code 1 when anything did. */
const CHECKS: Readonly<Record<string, readonly string[]>> = {
  types: ['tsc', '-b'],
  lint: ['oxlint', '--deny-warnings'],
  unused: ['knip', '--no-progress', '--no-config-hints'],
  format: ['prettier', '--check', '--cache', '--log-level', 'warn', '.'],
  house: ['vitest', 'run', '--project', 'house', '--reporter', 'dot'],
};

interface Outcome {
  readonly name: string;
  readonly code: number;
  readonly output: string;
  readonly seconds: number;
}

function run(name: string, [command, ...rest]: readonly string[]): Promise<Outcome> {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn(command ?? '', rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    const end = (code: number) =>
      resolve({ name, code, output: Buffer.concat(chunks).toString(), seconds: (performance.now() - started) / 1000 });
    child.on('error', (error) => {
      chunks.push(Buffer.from(error.message));
      end(1);
    });
    child.on('close', (code) => end(code ?? 1));
  });
}

const outcomes = await Promise.all(Object.entries(CHECKS).map(([name, command]) => run(name, command)));
for (const { name, code, output, seconds } of outcomes) {
  console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${name.padEnd(7)} ${seconds.toFixed(1)} s`);
  if (code !== 0) console.log(output.trim());
}
process.exitCode = outcomes.some((outcome) => outcome.code !== 0) ? 1 : 0;
