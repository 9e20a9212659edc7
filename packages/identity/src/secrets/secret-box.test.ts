import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redacted, systemRandomBytes as random } from '@slipway/kernel';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SecretKeyError, SecretUnreadableError } from '../errors.ts';
import { SECRET_LIMIT_BYTES, createSecretBox } from './secret-box.ts';
import { SECRET_KEYS_LIMIT, openSecretKeys, parseSecretKeys } from './secret-keys.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'slipway-secrets-'));
});
afterAll(() => rm(directory, { recursive: true }));

const [first, second] = ['a1'.repeat(32), 'b2'.repeat(32)];
const binding = { project: 'alpha', name: 'monitoring.channel/chn_1', destination: 'smtp://mail.example.com:587' };
const boxWith = (given: string | undefined, path = join(directory, 'none')) =>
  createSecretBox({ keys: openSecretKeys({ path, given: given === undefined ? undefined : new Redacted(given), random }), random });

function messageOf(work: () => unknown): string {
  try {
    work();
    return '';
  } catch (error) {
    return String(error);
  }
}

test('ID40 a secret opens as it was, under its own project, name and destination only', async () => {
  const box = boxWith(first);
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme' }), async (secret) => {
      const sealed = await box.seal(secret, binding);
      expect((await box.open(sealed, binding)).reveal()).toBe(Buffer.from(secret).toString());
    }),
    { numRuns: 50 },
  );
  const sealed = await box.seal('hunter2', binding);
  for (const other of [{ project: 'beta' }, { name: 'monitoring.channel/chn_2' }, { destination: 'smtp://evil.example.com:587' }]) {
    await expect(box.open(sealed, { ...binding, ...other })).rejects.toThrow(SecretUnreadableError);
  }
  // The parts of a binding cannot be shifted into one another.
  const shifted = await box.seal('x', { project: 'a', name: 'b","c', destination: 'd' });
  await expect(box.open(shifted, { project: 'a', name: 'b', destination: 'c","d' })).rejects.toThrow(SecretUnreadableError);
});

test('ID40 neither the secret nor equality of secrets shows, and every changed character is noticed', async () => {
  const box = boxWith(first);
  const sealed = await box.seal('hunter2', binding);
  expect(sealed).not.toContain('hunter2');
  expect(Buffer.from(sealed.split('.').at(-1) ?? '', 'base64url').toString('latin1')).not.toContain('hunter2');
  expect(await box.seal('hunter2', binding)).not.toBe(sealed);
  expect(String(await box.open(sealed, binding))).toBe('[redacted]');
  // The last character of a part may hold bits that base64 ignores.
  const places = Array.from(sealed, (_, at) => at).filter((at) => at < sealed.length - 1 && sealed[at + 1] !== '.');
  for (const at of places) {
    const changed = `${sealed.slice(0, at)}${sealed[at] === 'A' ? 'B' : 'A'}${sealed.slice(at + 1)}`;
    await expect(box.open(changed, binding), `character ${at}`).rejects.toThrow(SecretUnreadableError);
  }
});

test('ID41 another key is told by its name, the one before still opens, and what it sealed is known to be old', async () => {
  const sealed = await boxWith(first).seal('hunter2', binding);
  await expect(boxWith(second).open(sealed, binding)).rejects.toThrow(/sealed with key [0-9a-f]{16}, and this home has [0-9a-f]{16}/);
  await expect(boxWith(undefined).open(sealed, binding)).rejects.toThrow('this home has none');
  const rotated = boxWith(`${second},${first}`);
  expect((await rotated.open(sealed, binding)).reveal()).toBe('hunter2');
  expect(await rotated.isCurrent(sealed)).toBe(false);
  expect(await rotated.isCurrent(await rotated.seal('hunter2', binding))).toBe(true);
});

test('ID42 the key file is made with the first secret, readable by its owner only, and never replaced', async () => {
  const path = join(directory, 'secret.key');
  const box = boxWith(undefined, path);
  await expect(stat(path)).rejects.toThrow('ENOENT');
  const [one, two] = await Promise.all([box.seal('one', binding), box.seal('two', binding)]);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const before = await readFile(path, 'utf8');
  const again = boxWith(undefined, path);
  expect([(await again.open(one, binding)).reveal(), (await again.open(two, binding)).reveal()]).toEqual(['one', 'two']);
  await again.seal('three', binding);
  expect(await readFile(path, 'utf8')).toBe(before);
  await chmod(path, 0o644);
  await expect(again.open(one, binding)).rejects.toThrow(/read by others/);
  await chmod(path, 0o600);
  await writeFile(path, 'nonsense');
  await expect(again.open(one, binding)).rejects.toThrow(SecretKeyError);
});

test('ID43 keys are 32 bytes in hex or base64, up to a named number of them, and a refusal shows none of it', () => {
  const base64 = Buffer.from(first, 'hex').toString('base64');
  expect(parseSecretKeys(`${base64}\n`, 'x')).toEqual(parseSecretKeys(first, 'x'));
  expect(parseSecretKeys(Array.from({ length: SECRET_KEYS_LIMIT }, () => first).join(','), 'x')).toHaveLength(SECRET_KEYS_LIMIT);
  for (const text of ['', 'short', 'zz'.repeat(32), Array.from({ length: SECRET_KEYS_LIMIT + 1 }, () => first).join(',')]) {
    expect(() => parseSecretKeys(text, 'SLIPWAY_SECRET_KEY')).toThrow(SecretKeyError);
  }
  expect(messageOf(() => parseSecretKeys('zz-not-a-key', 'SLIPWAY_SECRET_KEY'))).not.toContain('zz');
});

test('ID43 a secret beyond the limit is refused', async () => {
  const box = boxWith(first);
  await box.seal('x'.repeat(SECRET_LIMIT_BYTES), binding);
  await expect(box.seal('x'.repeat(SECRET_LIMIT_BYTES + 1), binding)).rejects.toThrow('at most');
});
