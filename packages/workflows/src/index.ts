export { workflowsCapability, workflowsSchema } from './capability.ts';
export { childRunId } from './child-run-id.ts';
export { doneOnce } from './done-once.ts';
export { parseCron, nextCronMs, type Cron } from './cron.ts';
export {
  AlreadyLaunchedError,
  ChangedWorkflowError,
  CronError,
  DefinitionError,
  DefinitionMissingError,
  EngineEndedError,
  NotLaunchedError,
  RecoveryExhaustedError,
  ResultNotJsonError,
  ResultTooLargeError,
  RunEndedError,
  RunIdTakenError,
  RunInputError,
  RunNotRetryableError,
  StepError,
  TooManyFollowersError,
  UnknownWorkflowError,
  WaitTimeoutError,
} from './errors.ts';
export { EVENT_PAGE_LIMIT, JSON_LIMIT_BYTES, LEASE_DEFAULT_MS, QUEUE_CONCURRENCY_DEFAULT, RUN_EVENT_LIMIT } from './limits.ts';
export type { Log, LogEntry } from './log.ts';
export { PRUNE_RUNS_LIMIT, pruneRuns, runSizes, runsMention, type PrunedRuns, type RunSizes } from './retention.ts';
export type { StartRequest } from './run-changes.ts';
export type { ListRuns } from './run-store.ts';
export { hasEnded, type Run, type RunEvent, type RunStatus, type RunUpdate } from './run.ts';
export type { Schedule } from './schedule-store.ts';
export type { ScheduleRequest } from './schedules.ts';
export { createWorkflows, type FollowOptions, type Workflows, type WorkflowsDeps } from './workflows.ts';
