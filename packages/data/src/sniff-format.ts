import type { Encoding, SourceFormat } from './contract.ts';
import { EmptySourceError, InvalidEncodingError, UnknownFormatError } from './errors.ts';

/** More control characters than this share of the head is no text. */
const CONTROL_RATIO_MAX = 0.01;
/** Bytes of the head that decide whether it is text. */
const TEXT_SAMPLE_BYTES = 64 * 1024;

export interface TextShape {
  readonly encoding: Encoding;
  readonly bomBytes: number;
  /** The caller named the encoding, so nothing else is tried. */
  readonly declared: boolean;
}

const KNOWN_BINARIES: readonly { readonly magic: string; readonly name: string; readonly help?: string }[] = [
  { magic: '504b0304', name: 'a ZIP archive or an Excel workbook', help: 'Unpack it, or save the sheet as CSV (UTF-8).' },
  { magic: 'd0cf11e0a1b11ae1', name: 'an old Excel or Word file', help: 'Save the sheet as CSV (UTF-8).' },
  { magic: '53514c69746520666f726d6174203300', name: 'an SQLite database', help: 'Export the table as CSV or Parquet.' },
  { magic: '25504446', name: 'a PDF document' },
  { magic: '4152524f5731', name: 'an Arrow or Feather file', help: 'Write it as Parquet.' },
  { magic: '28b52ffd', name: 'a Zstandard archive', help: 'Unpack it, or compress it with gzip.' },
  { magic: 'fd377a585a00', name: 'an XZ archive', help: 'Unpack it, or compress it with gzip.' },
  { magic: '425a68', name: 'a bzip2 archive', help: 'Unpack it, or compress it with gzip.' },
  { magic: '894844460d0a1a0a', name: 'an HDF5 file', help: 'Write the table as CSV or Parquet.' },
  { magic: '4f626a01', name: 'an Avro file', help: 'Write it as Parquet or NDJSON.' },
  { magic: '89504e47', name: 'a PNG picture' },
  { magic: 'ffd8ff', name: 'a JPEG picture' },
  { magic: '1f8b', name: 'gzip inside gzip', help: 'Unpack it once.' },
  { magic: 'fffe0000', name: 'text in UTF-32', help: 'Save it as UTF-8.' },
  { magic: '0000feff', name: 'text in UTF-32', help: 'Save it as UTF-8.' },
];

/** @throws {UnknownFormatError} naming what the first bytes are known to be. */
export function refuseKnownBinary(head: Buffer): void {
  const hex = head.subarray(0, 16).toString('hex');
  const known = KNOWN_BINARIES.find((entry) => hex.startsWith(entry.magic));
  // "BZh" could begin a CSV; the others could not.
  if (known && !(known.magic === '425a68' && looksLikeText(head))) throw new UnknownFormatError(known.name, known.help);
  const start = head.toString('latin1', 0, 256).replace(/^\u00ef\u00bb\u00bf/, '');
  if (/^\s*<(?:!doctype html|html)\b/i.test(start)) {
    throw new UnknownFormatError('a web page (HTML)', 'Download the table itself, not the page that shows it.');
  }
  if (/^\s*<\?xml\b/.test(start)) throw new UnknownFormatError('an XML document', 'Save the table as CSV, JSON or Parquet.');
}

/** The format by content: Parquet by its magic, JSON by its first characters, CSV otherwise. */
export function detectFormat(head: Buffer): SourceFormat {
  if (head.subarray(0, 4).toString('latin1') === 'PAR1') return 'parquet';
  const start = head
    .subarray(0, 4096)
    .toString('latin1')
    .replace(/^\u00ef\u00bb\u00bf/, '')
    .trimStart();
  // Lists of plain values are JSON as well, so that the refusal speaks of JSON; "[2020],[2021]" are names of columns.
  if (/^\[\s*(?:[{\]["[]|-?\d[\d.eE+-]*\s*,|$)/.test(start)) return 'json';
  if (/^\{\s*(?:"|\}|$)/.test(start)) return 'ndjson';
  return 'csv';
}

/** The encoding by byte order mark, by the pattern of NUL bytes that UTF-16 has, or UTF-8 to be checked. */
export function detectText(head: Buffer, declared: Encoding | undefined): TextShape {
  const bom = byteOrderMark(head);
  if (declared) {
    if (bom && bom.encoding !== declared) {
      throw new InvalidEncodingError(`The file begins with the mark of ${bom.encoding}, but ${declared} was given.`, {
        details: { given: declared, found: bom.encoding },
        help: `Leave the encoding out, or give ${bom.encoding}.`,
      });
    }
    return { encoding: declared, bomBytes: bom?.bomBytes ?? 0, declared: true };
  }
  if (bom) return { ...bom, declared: false };
  const wide = utf16ByZeros(head);
  if (wide) return { encoding: wide, bomBytes: 0, declared: false };
  if (!looksLikeText(head)) throw new UnknownFormatError(undefined);
  if (/^\s*$/.test(head.toString('latin1'))) throw new EmptySourceError();
  return { encoding: 'utf-8', bomBytes: 0, declared: false };
}

function byteOrderMark(head: Buffer): { encoding: Encoding; bomBytes: number } | undefined {
  if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) return { encoding: 'utf-8', bomBytes: 3 };
  if (head[0] === 0xff && head[1] === 0xfe) return { encoding: 'utf-16le', bomBytes: 2 };
  if (head[0] === 0xfe && head[1] === 0xff) return { encoding: 'utf-16be', bomBytes: 2 };
  return undefined;
}

/** Latin letters in UTF-16 have a zero in every other byte, always on the same side. */
function utf16ByZeros(head: Buffer): Encoding | undefined {
  const sample = head.subarray(0, Math.min(head.length & ~1, 4096));
  if (sample.length < 4) return undefined;
  let even = 0;
  let odd = 0;
  sample.forEach((byte, index) => {
    if (byte === 0 && index % 2 === 0) even += 1;
    else if (byte === 0) odd += 1;
  });
  const half = sample.length / 2;
  if (odd > 0.7 * half && even === 0) return 'utf-16le';
  if (even > 0.7 * half && odd === 0) return 'utf-16be';
  return undefined;
}

function looksLikeText(head: Buffer): boolean {
  const sample = head.subarray(0, TEXT_SAMPLE_BYTES);
  let controls = 0;
  for (const byte of sample) {
    // NUL is left out: a text with NUL bytes is reported by its line.
    if (byte < 32 && byte !== 0 && byte !== 9 && byte !== 10 && byte !== 13) controls += 1;
  }
  let zeros = 0;
  for (const byte of sample) if (byte === 0) zeros += 1;
  return controls <= CONTROL_RATIO_MAX * sample.length && zeros <= 0.3 * sample.length;
}
