export { createAnswering, type Answered, type Answering, type AnswerRequest, type CallAhead, type Recorder } from './answer.ts';
export { releasesCapability, releasesSchema } from './capability.ts';
export {
  CallInvalidError,
  NotExplainableError,
  ReleaseNotFoundError,
  RevisionNotFoundError,
  RollbackError,
  ServableFailedError,
  ServableUnavailableError,
  TooManyRowsError,
} from './errors.ts';
export type { Explained } from './explain.ts';
export { createReleases, planRollback, type Published, type PublishRequest, type Releases } from './release-service.ts';
export { PINNED_ARM, ROUTE_WAITERS_LIMIT, createRouting, type LiveRoute, type Routing } from './routing.ts';
export {
  LOADED_SERVABLES_LIMIT,
  LOADS_AT_ONCE_LIMIT,
  LOAD_QUEUE_LIMIT,
  type LoadedRevision,
  type LoadedServable,
  type MemoryState,
  type UnloadReason,
} from './servable-cache.ts';
export { registerServingMetrics, type ServingMetrics } from './serving-metrics.ts';
export { allTrafficOn, chooseArm, liveRevision, unitPoint } from './traffic.ts';
export { RolloutActiveError, RolloutNotFoundError, RolloutStateError } from './rollout/errors.ts';
export { createRollouts, type RolledOut, type Rollouts } from './rollout/rollout-service.ts';
export { ROLLOUT_QUEUE } from './rollout/rollout-workflow.ts';
