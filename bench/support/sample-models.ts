import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { quickstartFile } from '@slipway/project/quickstart';
import { type ServerOptions, runSlipway } from './slipway-process.ts';

/** A real model to measure with, and rows to ask it. */
export interface SampleModel {
  readonly name: string;
  readonly file: string;
  readonly target: string;
  readonly exclude: readonly string[];
}

const TELCO = fileURLToPath(new URL('../../../shared/data/telco_customer_churn/WA_Fn-UseC_-Telco-Customer-Churn.csv', import.meta.url));

export const SAMPLES: Readonly<Record<string, SampleModel>> = {
  'breast-cancer': { name: 'breast-cancer', file: quickstartFile(), target: 'diagnosis', exclude: [] },
  telco: { name: 'telco', file: TELCO, target: 'Churn', exclude: [] },
};

export function isAvailable(sample: SampleModel): boolean {
  return existsSync(sample.file);
}

/** @param more further options of `slipway launch`. */
export async function launchSample(options: ServerOptions, sample: SampleModel, seconds = 5, more: readonly string[] = []): Promise<void> {
  const args = [
    'launch',
    sample.file,
    '--target',
    sample.target,
    '--name',
    sample.name,
    '--seconds',
    String(seconds),
    '--force',
    '--json',
    ...more,
  ];
  await runSlipway(options, args);
}

/** Rows of the file as a caller would send them: numbers as numbers, the target left out. */
export function sampleRows(sample: SampleModel, count: number): Record<string, unknown>[] {
  const [header = '', ...lines] = readFileSync(sample.file, 'utf8').split(/\r?\n/);
  const names = header.split(',');
  return lines.slice(0, count).map((line) => {
    const cells = line.split(',');
    const entries = names.map((name, index) => [name, toValue(cells[index] ?? '')] as const);
    return Object.fromEntries(entries.filter(([name]) => name !== sample.target));
  });
}

function toValue(text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === '') return null;
  return Number.isFinite(Number(trimmed)) ? Number(trimmed) : text;
}
