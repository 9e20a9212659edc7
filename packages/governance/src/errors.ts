import { NotFoundError, PlatformError } from '@slipway/kernel';

/** No erasure of that id in the project. */
export class ErasureNotFoundError extends NotFoundError {
  override readonly code = 'governance/erasure-not-found';
  constructor(id: string) {
    super(`There is no erasure "${id}".`, { details: { erasure: id } });
  }
}

/** The erasure's run failed; what it had removed stays removed, and retrying the run goes on. */
export class ErasureFailedError extends PlatformError {
  override readonly code = 'governance/erasure-failed';
  override readonly kind = 'internal' as const;
  constructor(run: string, reason: string | null) {
    super('The erasure did not come to its end.', { details: { run, reason }, help: `slipway runs ${run} --retry` });
  }
}
