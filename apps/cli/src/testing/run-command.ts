import { runProgram } from '../program.ts';

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const OURS = /^(?:SLIPWAY_|DATABASE_URL$)/;

/** Runs one command line in this process with nothing of its surroundings but the variables given. One at a time. */
export async function runCommand(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const before = Object.entries(process.env).filter(([name]) => OURS.test(name));
  const exitCode = process.exitCode;
  const written = { stdout: '', stderr: '' };
  const writers = (['stdout', 'stderr'] as const).map((name) => {
    const write = process[name].write;
    process[name].write = ((text: string | Uint8Array) => {
      written[name] += typeof text === 'string' ? text : Buffer.from(text).toString('utf8');
      return true;
    }) as typeof write;
    return () => (process[name].write = write);
  });
  for (const [name] of before) delete process.env[name];
  Object.assign(process.env, env);
  process.exitCode = undefined;
  try {
    const code = await runProgram(args);
    return { code, ...written };
  } finally {
    for (const restore of writers) restore();
    for (const name of Object.keys(env)) delete process.env[name];
    Object.assign(process.env, Object.fromEntries(before));
    process.exitCode = exitCode;
  }
}

/** The one JSON object on stdout. @throws when there is anything else, or another exit code. */
export function objectOf<T = Record<string, unknown>>(ended: Ended, code = 0): T {
  if (ended.code !== code) throw new Error(`exit code ${ended.code} instead of ${code}\n${ended.stdout}\n${ended.stderr}`);
  if (!/^\{.*\}\n$/.test(ended.stdout)) throw new Error(`not one line of JSON on stdout:\n${ended.stdout}`);
  return JSON.parse(ended.stdout) as T;
}
