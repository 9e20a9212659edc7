import { existsSync, readFileSync } from 'node:fs';
import { type Column, type Frame, textColumn } from '@slipway/kernel';

/** Where the real data sets lie; they are not part of the repository, and tests that need them are skipped without. */
const DATA_FOLDER = new URL('../../../../../shared/data/', import.meta.url);

export function hasData(path: string): boolean {
  return existsSync(new URL(path, DATA_FOLDER));
}

/** A minimal reader for the test files: quoted cells, one header line or given names, `?` and blank as missing. */
export function readCsv(path: string, names?: readonly string[]): { names: string[]; rows: string[][] } {
  const lines = readFileSync(new URL(path, DATA_FOLDER), 'utf8')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '' && !line.startsWith('|'));
  const rows = lines.map(splitLine);
  const header = names ? [...names] : (rows.shift() ?? []);
  return { names: header, rows: rows.filter((row) => row.length === header.length) };
}

function splitLine(line: string): string[] {
  const cells = [...`,${line}`.matchAll(/,\s*(?:"((?:[^"]|"")*)"|([^,]*))/g)];
  return cells.map(([, quoted, plain]) => (quoted === undefined ? (plain ?? '').trim() : quoted.replaceAll('""', '"')));
}

function isMissing(cell: string): boolean {
  return cell === '' || cell === '?';
}

/** Number columns where every present cell is a number, text columns elsewhere. */
export function frameOf(table: { names: string[]; rows: string[][] }): Frame {
  const columns = new Map<string, Column>();
  table.names.forEach((name, index) => {
    const cells = table.rows.map((row) => row[index] ?? '');
    const numeric = cells.every((cell) => isMissing(cell) || Number.isFinite(Number(cell)));
    columns.set(
      name,
      numeric
        ? { kind: 'number', values: Float64Array.from(cells, (cell) => (isMissing(cell) ? Number.NaN : Number(cell))) }
        : textColumn(cells.map((cell) => (isMissing(cell) ? null : cell))),
    );
  });
  return { rowCount: table.rows.length, columns };
}

/** Sorted labels and their codes, as a launch makes them. */
export function codesOf(column: Column): { classes: string[]; codes: Int32Array } {
  const texts = column.kind === 'text' ? Array.from(column.codes, (code) => column.levels[code] ?? '') : Array.from(column.values, String);
  const classes = [...new Set(texts)].toSorted();
  const codes = new Map(classes.map((name, code) => [name, code]));
  return { classes, codes: Int32Array.from(texts, (text) => codes.get(text) ?? -1) };
}
