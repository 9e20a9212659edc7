import { ERROR_KINDS, type ErrorBody, PlatformError, toErrorBody } from '@slipway/kernel';

/** What a command ends with when it was interrupted. */
export const INTERRUPTED_EXIT_CODE = 130;

/** Where a command writes: data on stdout, everything a person reads while waiting on stderr. */
export interface Output {
  readonly json: boolean;
  /** True when progress may redraw a line. */
  readonly live: boolean;
  data(text: string): void;
  note(text: string): void;
  progress(text: string): void;
}

export function createOutput(json: boolean): Output {
  return {
    json,
    live: process.stderr.isTTY === true && process.env['TERM'] !== 'dumb',
    data: (text) => void process.stdout.write(`${text}\n`),
    note: (text) => void process.stderr.write(`${text}\n`),
    progress: (text) => void process.stderr.write(text),
  };
}

/** Prints a result: one JSON object with `--json`, otherwise the text made for people. */
export function printResult(output: Output, value: unknown, toText: () => string): void {
  output.data(output.json ? JSON.stringify(value) : toText());
}

/** A sentence in the last column is longer than any screen; the line under its header need not be. */
const RULE_LIMIT = 60;

/** Columns padded to their widest cell; numbers are right-aligned. */
export function table(rows: readonly (readonly (string | number | null | undefined)[])[], header?: readonly string[]): string {
  const cells = [...(header ? [header] : []), ...rows].map((row) =>
    row.map((cell) => (cell === null || cell === undefined ? '-' : String(cell))),
  );
  const widths: number[] = [];
  for (const row of cells) row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, cell.length)));
  const numeric = widths.map((_, index) => rows.length > 0 && rows.every((row) => typeof row[index] === 'number'));
  const lines = cells.map((row) =>
    row
      .map((cell, index) => (numeric[index] ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  if (header) lines.splice(1, 0, widths.map((width) => '─'.repeat(Math.min(width, RULE_LIMIT))).join('  '));
  return lines.join('\n');
}

/** A number for people: four significant digits, no more than needed. */
export function short(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '-';
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  return String(Number(value.toPrecision(4)));
}

/** Says what went wrong and what to do, without a stack trace. @returns the exit code of the error's kind. */
export function reportError(output: Output, thrown: unknown): number {
  const body = bodyOf(thrown);
  const { code, message, help, details, requestId } = body.error;
  if (output.json) output.data(JSON.stringify(body));
  output.note(`error[${code}]: ${message}`);
  for (const line of problemLines(details)) output.note(`  ${line}`);
  if (help) output.note(`  try: ${help}`);
  if (requestId) output.note(`  request: ${requestId}`);
  return ERROR_KINDS[body.error.kind].exitCode;
}

function bodyOf(thrown: unknown): ErrorBody {
  if (thrown instanceof PlatformError) return toErrorBody(thrown, 'requestId' in thrown ? (thrown.requestId as string | null) : null);
  const body = toErrorBody(thrown, null);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (process.env['SLIPWAY_DEBUG'] === '1' && thrown instanceof Error) process.stderr.write(`${thrown.stack ?? ''}\n`);
  return { error: { ...body.error, message: `Slipway failed: ${message}`, help: 'Set SLIPWAY_DEBUG=1 to see where.' } };
}

const PROBLEM_LINES = 8;

function problemLines(details: Readonly<Record<string, unknown>>): string[] {
  const problems = details['problems'] ?? details['violations'];
  if (!Array.isArray(problems)) return [];
  const lines = problems.slice(0, PROBLEM_LINES).map((problem: Record<string, unknown>) =>
    Object.entries(problem)
      .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
      .join(', '),
  );
  return problems.length > PROBLEM_LINES ? [...lines, `… and ${problems.length - PROBLEM_LINES} more`] : lines;
}
