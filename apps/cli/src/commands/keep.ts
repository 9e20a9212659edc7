import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ConflictError, InvalidError, Role } from '@slipway/kernel';
import { findHolder } from '@slipway/records';
import type { Command } from 'commander';
import { serverOptions, withClient } from '../connect.ts';
import { readableSize } from '../local-file.ts';
import { globalOptions, parseNumber } from '../options.ts';
import { createOutput, printResult, table } from '../output.ts';

/** The commands that keep a home healthy: backup, restore, doctor, keys. */
export function addKeep(program: Command): void {
  addBackup(program);
  addRestore(program);
  addDoctor(program);
  addKeys(program);
}

function addBackup(program: Command): void {
  program
    .command('backup')
    .description('write everything to one file; it restores into any home or PostgreSQL')
    .argument('<file>', 'such as slipway-backup.ndjson.gz')
    .action(async (file: string, _flags: object, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      const target = resolve(file);
      const partial = `${target}.partial`;
      const { verifyBackup } = await import('@slipway/server');
      await withClient(options, output, async (client) => {
        try {
          const body = await client.backup();
          await pipeline(Readable.fromWeb(body as never), createWriteStream(partial, { mode: 0o600 }));
          await verifyBackup(partial);
          await rename(partial, target);
        } catch (error) {
          await rm(partial, { force: true });
          throw error;
        }
      });
      const { size } = await stat(target);
      printResult(output, { file: target, sizeBytes: size }, () => `${target}: ${(size / 1e6).toFixed(1)} MB`);
    });
}

function addRestore(program: Command): void {
  program
    .command('restore')
    .description('fill an empty home (or empty DATABASE_URL) from a backup; the server must be stopped')
    .argument('<file>')
    .option('--force', 'replace what the home holds')
    .action(async (file: string, flags: { force?: boolean }, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      await readableSize(file);
      const holder = await findHolder(options.home);
      if (holder) throw new ConflictError(`${options.home} is in use by process ${holder.pid}.`, { help: 'Stop the server first.' });
      const { restoreBackup } = await import('@slipway/server');
      output.note('Stored secrets open with the secret.key (or SLIPWAY_SECRET_KEY) of the home of the backup; slipway doctor tells.');
      const summary = await restoreBackup({ ...serverOptions(options), file: resolve(file), force: flags.force === true });
      printResult(
        output,
        summary,
        () => `restored ${summary.rows} rows of ${summary.tables} tables and ${summary.objects} objects into ${options.home}`,
      );
    });
}

function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('check the home, the stores, the disk, the log and the keys')
    .action(async (_flags: object, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      const { examine } = await import('../doctor.ts');
      const findings = await examine(options, output);
      const ok = findings.every((finding) => finding.status !== 'fail');
      printResult(output, { ok, findings }, () =>
        table(findings.map((each) => [{ ok: '✓', warn: '!', fail: '✗' }[each.status], each.check, each.message])),
      );
      if (!ok) process.exitCode = 1;
    });
}

function addKeys(program: Command): void {
  const keys = program.command('keys').description('keys of the project: list, create, revoke');
  keys.command('list').action(async (_flags: object, command: Command) => {
    const options = globalOptions(command);
    const output = createOutput(options.json);
    await withClient(options, output, async (client) => {
      const page = await client.keys.list();
      printResult(output, page, () =>
        table(
          page.items.map((each) => [each.id, each.role, each.label, each.expiresAt, each.revokedAt]),
          ['key', 'role', 'label', 'expires', 'revoked'],
        ),
      );
    });
  });
  keys
    .command('create')
    .requiredOption('--role <role>', 'admin, engineer, reviewer, viewer or service')
    .requiredOption('--label <text>', 'what it is for')
    .option('--days <n>', 'days until it expires', '90')
    .action(async (flags: { role: string; label: string; days: string }, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      const days = parseNumber('--days', flags.days, { min: 1, max: 3650 }) ?? 90;
      await withClient(options, output, async (client) => {
        const expiresAt = new Date(Date.now() + days * 86_400_000).toISOString();
        const created = await client.keys.create({ role: parseRole(flags.role), label: flags.label, expiresAt });
        printResult(output, created, () => `${created.key}\n(shown only now)`);
      });
    });
  keys
    .command('revoke')
    .argument('<key>', 'id of the key')
    .action(async (id: string, _flags: object, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      await withClient(options, output, async (client) => {
        const revoked = await client.keys.revoke(id);
        printResult(output, revoked, () => `${id} is revoked`);
      });
    });
}

function parseRole(text: string): Role {
  const role = Role.safeParse(text);
  if (!role.success) throw new InvalidError(`--role must be one of ${Role.options.join(', ')}, got "${text}".`);
  return role.data;
}
