import { InvalidError, PlatformError, TooLargeError } from '@slipway/kernel';

/** An event whose type, principal, subject or project is not spelled as one. */
export class InvalidEntryError extends InvalidError {
  override readonly code = 'audit/invalid-entry';
}

/** The payload is larger than an event may carry; store the bytes as an object and audit its hash. */
export class PayloadTooLargeError extends TooLargeError {
  override readonly code = 'audit/payload-too-large';
}

/** Too many callers wait for changes in this process. */
export class TooManyWaitersError extends PlatformError {
  override readonly code = 'audit/too-many-waiters';
  override readonly kind = 'limited' as const;
  override readonly remedy = 'wait' as const;
}

/** A stored event cannot be read any more: something other than this program changed it. */
export class CorruptEventError extends PlatformError {
  override readonly code = 'audit/corrupt-event';
  override readonly kind = 'internal' as const;
  override readonly remedy = 'report' as const;
}
