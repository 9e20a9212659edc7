import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { InvalidAddressError, ObjectNotFoundError, ObjectTooLargeError } from '../errors.ts';
import type { Objects } from '../objects.ts';
import { traversalCorpus } from './traversal-corpus.ts';

/** One rule that every implementation keeps; `run` gets a store of its own that holds nothing. */
export interface ObjectsRule {
  readonly name: string;
  run(objects: Objects): Promise<void>;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += pieceBytes) yield bytes.subarray(start, start + pieceBytes);
}

async function gather(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

/** Repeatable bytes that no compression or block boundary makes special. */
export function noise(sizeBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let index = 0; index < sizeBytes; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

async function* failing(): AsyncGenerator<Uint8Array> {
  yield noise(300_000, 5);
  throw new Error('the source broke');
}

const storing: ObjectsRule[] = [
  {
    name: 'OB1 bytes come back as they were put, under their SHA-256, whatever the sizes of the pieces',
    async run(objects) {
      for (const [sizeBytes, pieceBytes] of [
        [1, 1],
        [1_000, 7],
        [262_144, 262_144],
        [262_145, 65_536],
        [3_000_000, 1_500_000],
      ] as const) {
        const bytes = noise(sizeBytes, sizeBytes);
        const ref = await objects.put('alpha', inPieces(bytes, pieceBytes));
        assert.deepEqual(ref, { sha256: sha256(bytes), sizeBytes });
        assert.deepEqual(await objects.put('alpha', bytes), ref);
        assert.ok(Buffer.from(await objects.read('alpha', ref.sha256)).equals(bytes));
        assert.ok(Buffer.from(await gather(await objects.open('alpha', ref.sha256))).equals(bytes));
        assert.ok((await readFile(await objects.localPath('alpha', ref.sha256))).equals(bytes));
      }
    },
  },
  {
    name: 'OB1 an empty object is an object',
    async run(objects) {
      const ref = await objects.put('alpha', new Uint8Array());
      assert.deepEqual(ref, { sha256: sha256(new Uint8Array()), sizeBytes: 0 });
      assert.deepEqual(await objects.put('alpha', inPieces(new Uint8Array(), 1)), ref);
      assert.equal((await objects.read('alpha', ref.sha256)).byteLength, 0);
      assert.equal((await gather(await objects.open('alpha', ref.sha256))).byteLength, 0);
    },
  },
  {
    name: 'OB1 twenty puts of the same bytes at once make one object',
    async run(objects) {
      const bytes = noise(500_000, 3);
      const refs = await Promise.all(Array.from({ length: 20 }, (_, index) => objects.put('alpha', inPieces(bytes, 1_000 + index * 997))));
      for (const ref of refs) assert.deepEqual(ref, { sha256: sha256(bytes), sizeBytes: bytes.byteLength });
      assert.deepEqual((await objects.list('alpha', { limit: 10 })).items, [refs[0]]);
      assert.ok(Buffer.from(await objects.read('alpha', sha256(bytes))).equals(bytes));
    },
  },
  {
    name: 'OB2 one byte over the limit is refused and leaves nothing behind; the limit itself is accepted',
    async run(objects) {
      const bytes = noise(70_000, 4);
      await assert.rejects(objects.put('alpha', inPieces(bytes, 1_000), 69_999), ObjectTooLargeError);
      await assert.rejects(objects.put('alpha', bytes, 69_999), ObjectTooLargeError);
      assert.equal(await objects.has('alpha', sha256(bytes)), false);
      assert.deepEqual((await objects.list('alpha', { limit: 10 })).items, []);
      await objects.put('alpha', inPieces(bytes, 1_000), 70_000);
      await assert.rejects(objects.read('alpha', sha256(bytes), 69_999), ObjectTooLargeError);
      assert.equal((await objects.read('alpha', sha256(bytes), 70_000)).byteLength, 70_000);
    },
  },
  {
    name: 'OB2 a source that fails half-way leaves nothing behind',
    async run(objects) {
      await assert.rejects(objects.put('alpha', failing()), /the source broke/);
      assert.deepEqual((await objects.list('alpha', { limit: 10 })).items, []);
    },
  },
  {
    name: 'OB2 an object is invisible until it is whole',
    async run(objects) {
      const bytes = noise(600_000, 6);
      let sawHalf = false;
      async function* watched(): AsyncGenerator<Uint8Array> {
        for await (const piece of inPieces(bytes, 100_000)) {
          yield piece;
          sawHalf ||= (await objects.has('alpha', sha256(bytes))) || (await objects.list('alpha', { limit: 10 })).items.length > 0;
        }
      }
      await objects.put('alpha', watched());
      assert.equal(sawHalf, false);
      assert.equal(await objects.has('alpha', sha256(bytes)), true);
    },
  },
];

const files: ObjectsRule[] = [
  {
    name: 'OB3 a finished file from temporaryPath is moved, any other file is copied',
    async run(objects) {
      const bytes = noise(200_000, 7);
      const path = await objects.temporaryPath('alpha');
      await assert.rejects(stat(path), { code: 'ENOENT' });
      assert.equal((await stat(dirname(path))).mode & 0o777, 0o700);
      await writeFile(path, bytes);
      const ref = await objects.putFile('alpha', path);
      assert.deepEqual(ref, { sha256: sha256(bytes), sizeBytes: bytes.byteLength });
      await assert.rejects(stat(path), { code: 'ENOENT' });

      const elsewhere = await mkdtemp(join(tmpdir(), 'slipway-objects-'));
      const outside = join(elsewhere, 'outside.bin');
      await writeFile(outside, noise(1_000, 8));
      const copied = await objects.putFile('alpha', outside);
      assert.equal((await readFile(outside)).byteLength, 1_000);
      assert.equal((await objects.read('alpha', copied.sha256)).byteLength, 1_000);
      await assert.rejects(objects.putFile('alpha', elsewhere), InvalidAddressError);
      await rm(elsewhere, { recursive: true });
    },
  },
];

const tenancy: ObjectsRule[] = [
  {
    name: "OB4 another project's object is not found, not listed and not deleted",
    async run(objects) {
      const { sha256: hash } = await objects.put('alpha', bytesOf('secret'));
      assert.equal(await objects.has('beta', hash), false);
      await assert.rejects(objects.open('beta', hash), ObjectNotFoundError);
      await assert.rejects(objects.read('beta', hash), ObjectNotFoundError);
      await assert.rejects(objects.localPath('beta', hash), ObjectNotFoundError);
      assert.equal(await objects.delete('beta', hash), false);
      assert.deepEqual((await objects.list('beta', { limit: 10 })).items, []);
      assert.equal(Buffer.from(await objects.read('alpha', hash)).toString(), 'secret');
    },
  },
  {
    name: 'OB4 deleting in one project leaves the same bytes in another',
    async run(objects) {
      const { sha256: hash } = await objects.put('alpha', bytesOf('both'));
      await objects.put('beta', bytesOf('both'));
      assert.equal(await objects.delete('alpha', hash), true);
      assert.equal(await objects.delete('alpha', hash), false);
      await assert.rejects(objects.read('alpha', hash), ObjectNotFoundError);
      assert.equal(Buffer.from(await objects.read('beta', hash)).toString(), 'both');
      assert.deepEqual((await objects.projects()).includes('beta'), true);
    },
  },
  {
    name: 'OB5 no spelling of a project or hash leads out of the folder',
    async run(objects) {
      const hash = '0'.repeat(64);
      for (const text of traversalCorpus.projects) {
        for (const attempt of [
          () => objects.put(text, bytesOf('x')),
          () => objects.read(text, hash),
          () => objects.temporaryPath(text),
          () => objects.list(text, { limit: 1 }),
        ]) {
          await assert.rejects(attempt, InvalidAddressError, `as project: ${JSON.stringify(text)}`);
        }
      }
      for (const text of [...traversalCorpus.projects, ...traversalCorpus.hashes]) {
        for (const attempt of [
          () => objects.read('alpha', text),
          () => objects.open('alpha', text),
          () => objects.has('alpha', text),
          () => objects.delete('alpha', text),
          () => objects.localPath('alpha', text),
          () => objects.list('alpha', { limit: 1, cursor: text }),
        ]) {
          await assert.rejects(attempt, InvalidAddressError, `as hash: ${JSON.stringify(text)}`);
        }
      }
      assert.deepEqual(await objects.projects(), []);
    },
  },
];

const listing: ObjectsRule[] = [
  {
    name: 'OB6 pages of every size list each object once, in order',
    async run(objects) {
      const hashes: string[] = [];
      for (let index = 0; index < 40; index += 1) hashes.push((await objects.put('alpha', bytesOf(`object ${index}`))).sha256);
      hashes.sort();
      for (const limit of [1, 7, 39, 40, 41]) {
        const found: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await objects.list('alpha', cursor === undefined ? { limit } : { limit, cursor });
          assert.ok(page.items.length <= limit);
          found.push(...page.items.map((item) => item.sha256));
          cursor = page.nextCursor ?? undefined;
        } while (cursor !== undefined);
        assert.deepEqual(found, hashes);
      }
      for (const limit of [0, 1_001, 1.5, Number.NaN]) await assert.rejects(objects.list('alpha', { limit }), InvalidAddressError);
    },
  },
];

/** What every implementation of {@link Objects} must do: run each rule against an empty store of its own. */
export const objectsRules: readonly ObjectsRule[] = [...storing, ...files, ...tenancy, ...listing];
