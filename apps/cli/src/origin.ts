import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { LaunchOrigin } from '@slipway/project/contract';

/** Git answers in milliseconds; a repository that does not must not hold up a launch. */
const GIT_TIMEOUT_MS = 2_000;

/** Where a launch comes from, as far as the folder of its data tells: the commit, whether anything was changed since, the lock file. */
export async function findOrigin(dataPath: string): Promise<LaunchOrigin> {
  const folder = dirname(dataPath);
  const [commit, status, root] = await Promise.all([
    git(folder, ['rev-parse', 'HEAD']),
    git(folder, ['status', '--porcelain', '--untracked-files=no']),
    git(folder, ['rev-parse', '--show-toplevel']),
  ]);
  const lockFile = root === undefined ? undefined : await hashOf(join(root, 'package-lock.json'));
  return {
    ...(commit !== undefined && /^[0-9a-f]{40,64}$/.test(commit) ? { commit, dirty: status !== '' } : {}),
    ...(lockFile === undefined ? {} : { lockFile }),
  };
}

async function hashOf(path: string): Promise<string | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  return bytes && createHash('sha256').update(bytes).digest('hex');
}

/** The output of a git command, trimmed; undefined outside a repository or without git. */
function git(folder: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn('git', ['-C', folder, ...args], { stdio: ['ignore', 'pipe', 'ignore'], timeout: GIT_TIMEOUT_MS });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', () => resolve(undefined));
    child.on('close', (code) => resolve(code === 0 ? output.trim() : undefined));
  });
}
