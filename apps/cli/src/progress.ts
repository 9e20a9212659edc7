import type { Output } from './output.ts';

const BAR_CELLS = 24;
/** Without a terminal, a phase that goes on says so this often. */
const PLAIN_EVERY_MS = 10_000;

export interface Progress {
  update(event: { readonly phase: string; readonly message?: string | null; readonly ratio?: number | null }): void;
  end(): void;
}

/** A redrawn bar on a terminal, one line a phase (and every ten seconds) elsewhere; always on stderr. */
export function createProgress(output: Output, nowMs: () => number = () => performance.now()): Progress {
  let phase = '';
  let phaseStartMs = nowMs();
  let lastPlainMs = 0;
  let drawn = false;

  function line(message: string | null | undefined, ratio: number | null | undefined): string {
    const seconds = (nowMs() - phaseStartMs) / 1000;
    const parts = [phase.padEnd(10)];
    if (ratio !== null && ratio !== undefined) {
      if (output.live) parts.push(bar(ratio));
      parts.push(`${String(Math.round(ratio * 100)).padStart(3)} %`, eta(ratio, seconds));
    }
    if (message) parts.push(message);
    return parts.filter((part) => part !== '').join('  ');
  }

  return {
    update({ phase: next, message, ratio }) {
      const now = nowMs();
      const changed = next !== phase;
      if (changed) {
        if (drawn) output.progress('\n');
        drawn = false;
        phase = next;
        phaseStartMs = now;
      }
      if (output.live) {
        output.progress(`\r\u001b[2K${line(message, ratio).slice(0, (process.stderr.columns ?? 100) - 1)}`);
        drawn = true;
      } else if (changed || now - lastPlainMs >= PLAIN_EVERY_MS) {
        lastPlainMs = now;
        output.note(line(message, ratio));
      }
    },
    end() {
      if (drawn) output.progress('\n');
      drawn = false;
    },
  };
}

function bar(ratio: number): string {
  const full = Math.max(0, Math.min(BAR_CELLS, Math.round(ratio * BAR_CELLS)));
  return `${'█'.repeat(full)}${'░'.repeat(BAR_CELLS - full)}`;
}

function eta(ratio: number, seconds: number): string {
  if (ratio <= 0.02 || ratio >= 1 || seconds < 1) return '';
  return `${Math.ceil((seconds / ratio) * (1 - ratio))} s left`;
}
