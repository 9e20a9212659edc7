import { createHash } from 'node:crypto';

/** RFC 6962 section 2.1: SHA-256(0x00 || leaf data). */
export function leafHash(data: string): Buffer {
  return createHash('sha256').update(LEAF).update(data).digest();
}

const LEAF = Buffer.from([0]);
const NODE = Buffer.from([1]);

function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash('sha256').update(NODE).update(left).update(right).digest();
}

/** Grows an RFC 6962 tree leaf by leaf, keeping only the roots of its complete subtrees: at most 53 hashes. */
export class MerkleTree {
  readonly #complete: { size: number; hash: Uint8Array }[] = [];
  size = 0;

  add(hash: Uint8Array): void {
    this.size += 1;
    let added = { size: 1, hash };
    for (let left = this.#complete.at(-1); left?.size === added.size; left = this.#complete.at(-1)) {
      this.#complete.pop();
      added = { size: left.size * 2, hash: nodeHash(left.hash, added.hash) };
    }
    this.#complete.push(added);
  }

  /** Lower-case hex; of no leaves it is the hash of nothing, as the RFC says. */
  root(): string {
    const top = this.#complete.reduceRight<Uint8Array | undefined>(
      (right, left) => (right === undefined ? left.hash : nodeHash(left.hash, right)),
      undefined,
    );
    return Buffer.from(top ?? createHash('sha256').digest()).toString('hex');
  }
}

/** The RFC 6962 Merkle tree hash (lower-case hex) over leaf hashes, in order. O(n) time, O(log n) memory. Source: RFC 6962, 2.1. */
export function merkleRoot(leafHashes: Iterable<Uint8Array>): string {
  const tree = new MerkleTree();
  for (const hash of leafHashes) tree.add(hash);
  return tree.root();
}
