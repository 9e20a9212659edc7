import { ConflictError, NotFoundError } from '@slipway/kernel';

/** The release is in a rollout already. */
export class RolloutActiveError extends ConflictError {
  override readonly code = 'releases/rollout-active';
  constructor(release: string, candidate: number) {
    super(`Release "${release}" is in a rollout of revision ${candidate} already.`, {
      details: { release, candidate },
      help: `slipway rollout ${release}, and: slipway rollout promote|abort ${release}`,
    });
  }
}

/** The release has no rollout, or none that is still going on. */
export class RolloutNotFoundError extends NotFoundError {
  override readonly code = 'releases/rollout-not-found';
}

/** What was asked does not fit what the rollout is doing. */
export class RolloutStateError extends ConflictError {
  override readonly code = 'releases/rollout-state';
}
