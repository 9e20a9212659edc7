/**
 * What this workspace throws. It sits below every other and imports nothing, not even the kernel's error classes, so
 * these are plain errors with a stable code; whoever meets them at a boundary turns them into a PlatformError.
 */
export class StatisticsError extends Error {
  readonly code: string = 'statistics/invalid';

  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** Two arrays that describe the same rows differ in length, or there are no rows. */
export class ShapeError extends StatisticsError {
  override readonly code = 'statistics/shape';
}

/** A number outside the range that the method is defined for. */
export class RangeOfValueError extends StatisticsError {
  override readonly code = 'statistics/range';
}

/** Stored JSON that is no sketch of a format this code reads. */
export class SketchFormatError extends StatisticsError {
  override readonly code = 'statistics/sketch-format';
}

/** Checks that arrays about the same rows have one length above zero. @throws {ShapeError} */
export function requireSameLength(arrays: Readonly<Record<string, { readonly length: number } | undefined>>): number {
  let length: number | undefined;
  let first = '';
  for (const [name, array] of Object.entries(arrays)) {
    if (array === undefined) continue;
    if (length === undefined) {
      length = array.length;
      first = name;
    } else if (array.length !== length) {
      throw new ShapeError(`"${name}" has ${array.length} values and "${first}" has ${length}; they must describe the same rows.`);
    }
  }
  if (length === undefined || length === 0) throw new ShapeError(`"${first}" is empty; at least one row is needed.`);
  return length;
}
