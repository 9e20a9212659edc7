const hidden = new WeakMap<Redacted, string>();

/** A secret that cannot be printed by accident: string conversion, JSON and inspection all show a placeholder. */
export class Redacted {
  constructor(secret: string) {
    hidden.set(this, secret);
  }
  /** The secret itself; call it only where the secret is used. */
  reveal(): string {
    return hidden.get(this) as string;
  }
  toString(): string {
    return '[redacted]';
  }
  toJSON(): string {
    return '[redacted]';
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[redacted]';
  }
}
