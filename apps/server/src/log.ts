/** One line an operator reads. Fields are JSON-safe and never hold secrets or rows. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

export type Log = (line: LogLine) => void;

/** JSON lines on stderr, warnings and errors only, unless SLIPWAY_DEBUG=1. */
export function stderrLog(debug: boolean): Log {
  return ({ level, message, fields }) => {
    if (!debug && (level === 'debug' || level === 'info')) return;
    process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), level, message, ...fields })}\n`);
  };
}
