/** A line for whoever operates the system; never shown to users of the API. */
export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly error?: unknown;
  readonly run?: string;
}

export type Log = (entry: LogEntry) => void;
