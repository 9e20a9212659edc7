/** Time arrives as a port, so that a seeded simulation can drive everything that waits or expires. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z; may step when the machine's clock is set. */
  nowMs(): number;
  /** Milliseconds from an arbitrary origin that never go backwards; for durations. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** A clock that moves only when told to. */
export function fixedClock(startMs: number): Clock & { advance(byMs: number): void } {
  let now = startMs;
  return {
    nowMs: () => now,
    monotonicMs: () => now,
    advance: (byMs) => {
      now += byMs;
    },
  };
}

/** RFC 3339 in UTC with milliseconds, the only form timestamps have in the API. */
export function toRfc3339(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s*([Zz]|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Milliseconds of an RFC 3339 timestamp, a date, or a local-looking timestamp, which is read as UTC.
 * @returns undefined when the text is no such time or names a day that does not exist.
 */
export function parseTime(text: string): number | undefined {
  const match = RFC3339.exec(text.trim());
  if (!match) return undefined;
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] = match;
  const numbers = [year, month, day, hour, minute, second].map(Number) as [number, number, number, number, number, number];
  const [y, mo, d, h, mi, s] = numbers;
  if (mo < 1 || mo > 12 || d < 1 || h > 23 || mi > 59 || s > 59) return undefined;
  const base = new Date(0);
  base.setUTCFullYear(y, mo - 1, d);
  base.setUTCHours(h, mi, s, Math.floor(Number(`0.${fraction || '0'}`) * 1000 + 1e-6));
  if (base.getUTCMonth() !== mo - 1 || base.getUTCDate() !== d) return undefined;
  return base.getTime() - offsetMs(zone);
}

function offsetMs(zone: string): number {
  if (zone === 'Z' || zone === 'z') return 0;
  const sign = zone.startsWith('-') ? -1 : 1;
  const digits = zone.slice(1).replace(':', '');
  return sign * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2, 4))) * 60_000;
}
