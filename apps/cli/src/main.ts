#!/usr/bin/env node
import { runProgram } from './program.ts';

// A reader that has seen enough (`slipway runs | head`) ends neither the command nor its work.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

process.exitCode = await runProgram(process.argv.slice(2));
