#!/usr/bin/env node
// Runs the sources in the repository and the bundle in the published package, on a runtime that is new enough.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const NEEDED_MAJOR = 24;
const bundle = new URL('../dist/main.js', import.meta.url);
const entry = existsSync(bundle) ? bundle : new URL('../../../apps/cli/src/main.ts', import.meta.url);

if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) {
  await import(entry.href);
} else {
  const runtime = findRuntime();
  if (runtime === undefined) {
    process.stderr.write(
      `Slipway needs Node ${NEEDED_MAJOR} or newer; this is ${process.versions.node}.\n  try: npm install node@${NEEDED_MAJOR}\n`,
    );
    process.exitCode = 1;
  } else {
    const child = spawn(runtime, [fileURLToPath(entry), ...process.argv.slice(2)], { stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('exit', (code, signal) => {
      process.exitCode = code ?? (signal === null ? 1 : 130);
    });
  }
}

/** The runtime that npm installed beside us, where the machine's own is too old. */
function findRuntime() {
  try {
    const binary = createRequire(import.meta.url).resolve('node/bin/node');
    return existsSync(binary) ? binary : undefined;
  } catch {
    return undefined;
  }
}
