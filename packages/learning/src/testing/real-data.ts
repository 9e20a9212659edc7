import { existsSync, readFileSync } from 'node:fs';
import { type Column, Contract, type Field, type Frame, textColumn } from '@slipway/kernel';

const DIRECTORY = new URL('../../../../../shared/data/', import.meta.url);

/** Whether the real sets lie beside the checkout. */
export const hasRealData = existsSync(DIRECTORY);

export interface RealSet {
  readonly frame: Frame;
  readonly contract: Contract;
  readonly target: Field;
  /** Rows of an official test file, which come last. */
  readonly testRows: number;
}

interface Source {
  readonly files: readonly string[];
  readonly delimiter: string;
  readonly columns?: readonly string[];
  readonly target: string;
  readonly exclude?: readonly string[];
  readonly comment?: string;
  /** Column added that tells the files apart. */
  readonly fileColumn?: string;
}

const ADULT = [
  'age',
  'workclass',
  'fnlwgt',
  'education',
  'education_num',
  'marital',
  'occupation',
  'relationship',
  'race',
  'sex',
  'gain',
  'loss',
  'hours',
  'country',
  'income',
];

const WINE = [
  'fixed_acidity',
  'volatile_acidity',
  'citric_acid',
  'sugar',
  'chlorides',
  'free_so2',
  'total_so2',
  'density',
  'ph',
  'sulphates',
  'alcohol',
  'quality',
];

const SOURCES = {
  adult: {
    files: ['adult_census_income/adult-train.csv', 'adult_census_income/adult-test.csv'],
    delimiter: ',',
    columns: ADULT,
    target: 'income',
    comment: '|',
  },
  telco: { files: ['telco_customer_churn/WA_Fn-UseC_-Telco-Customer-Churn.csv'], delimiter: ',', target: 'Churn', exclude: ['customerID'] },
  breast: { files: ['breast_cancer_wisconsin/wdbc_diagnostic.csv'], delimiter: ',', target: 'diagnosis', exclude: ['id'] },
  housing: { files: ['california_housing/housing.csv'], delimiter: ',', target: 'median_house_value' },
  wine: {
    files: ['wine_quality/winequality-red.csv', 'wine_quality/winequality-white.csv'],
    delimiter: ',',
    columns: WINE,
    target: 'quality',
    fileColumn: 'colour',
  },
  titanic: { files: ['titanic/train.csv'], delimiter: ',', target: 'Survived', exclude: ['PassengerId', 'Name', 'Ticket'] },
} satisfies Record<string, Source>;
export type RealSetName = keyof typeof SOURCES;

/** Reads a real set with the few rules these files need; ingestion proper is @slipway/data's. */
export function readRealSet(name: RealSetName): RealSet {
  const source: Source = SOURCES[name];
  const tables = source.files.map((file, index) => readTable(source, file, index));
  const names = tables[0]?.names ?? [];
  const rows = tables.flatMap((table) => table.rows);
  const fields: Field[] = [];
  const columns = new Map<string, Column>();
  names.forEach((column, at) => {
    const texts = rows.map((row) => cleaned(row[at] ?? ''));
    const isNumber = texts.every((text) => text === null || Number.isFinite(Number(text)));
    const type = isNumber ? 'float64' : 'string';
    const role =
      column === source.target ? 'target' : source.exclude?.includes(column) ? 'identifier' : isNumber ? 'numeric' : 'categorical';
    fields.push({ name: column, type, role, nullable: true, expect: {}, severity: 'warn' });
    const values = Float64Array.from(texts, (text) => (text === null ? Number.NaN : Number(text)));
    columns.set(column, isNumber && role !== 'identifier' ? { kind: 'number', values } : textColumn(texts));
  });
  const contract = Contract.parse({ format: 'slipway.contract/1', fields });
  const target = contract.fields.find((field) => field.name === source.target);
  if (!target) throw new Error(`${name} has no column ${source.target}`);
  return { frame: { rowCount: rows.length, columns }, contract, target, testRows: name === 'adult' ? (tables[1]?.rows.length ?? 0) : 0 };
}

function cleaned(text: string): string | null {
  const value = text.trim();
  return value === '' || value === '?' || value === 'NA' ? null : value;
}

function readTable(source: Source, file: string, index: number): { names: string[]; rows: string[][] } {
  const lines = readFileSync(new URL(file, DIRECTORY), 'utf8').split(/\r?\n/);
  const kept = lines.filter((line) => line.trim() !== '' && !(source.comment && line.startsWith(source.comment)));
  const cells = kept.map((line) => splitLine(line, source.delimiter).map((cell) => (source.comment ? cell.replace(/\.$/, '') : cell)));
  const names = source.columns ? [...source.columns] : (cells.shift() ?? []);
  if (source.fileColumn === undefined) return { names, rows: cells };
  return { names: [...names, source.fileColumn], rows: cells.map((row) => [...row, `file ${index}`]) };
}

function splitLine(line: string, delimiter: string): string[] {
  const cells: string[] = [];
  const pattern = new RegExp(`(?:^|${delimiter})(?:"((?:[^"]|"")*)"|([^${delimiter}]*))`, 'g');
  for (const match of line.matchAll(pattern)) cells.push((match[1] ?? match[2] ?? '').replaceAll('""', '"'));
  return cells;
}
