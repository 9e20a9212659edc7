#!/usr/bin/env node
import { keepCompiled } from './compile-cache.ts';
import { becomeServer } from './young-generation.ts';

// A reader that has seen enough (`slipway runs | head`) ends neither the command nor its work.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

const args = process.argv.slice(2);
becomeServer(args);
keepCompiled();
const { runProgram } = await import('./program.ts');
process.exitCode = await runProgram(args);
