export {
  CancelledError,
  ConflictError,
  ERROR_KINDS,
  ForbiddenError,
  InvalidError,
  NotFoundError,
  OverloadedError,
  PlatformError,
  TooLargeError,
  UnauthenticatedError,
  UnavailableError,
  invariant,
  toErrorBody,
  type ErrorBody,
  type ErrorDetails,
  type ErrorKind,
  type ErrorOptionsWithDetails,
  type Remedy,
  type ShedReason,
} from './errors.ts';
export { fixedClock, parseTime, systemClock, toRfc3339, type Clock } from './time.ts';
export {
  ID_PREFIXES,
  REPLICA_LIMIT,
  createIds,
  createInvocationIds,
  idTimeMs,
  isId,
  locateInvocation,
  systemRandomBytes,
  uuidV7,
  type IdKind,
  type Ids,
  type InvocationLocation,
  type RandomBytes,
} from './ids.ts';
export { JSON_DEPTH_LIMIT, JsonError, canonicalJson, parseJson, type Json } from './json.ts';
export { Json as JsonShape } from './json-shape.ts';
export { breathe, computeInSlices } from './breathe.ts';
export { workerUrl } from './worker-url.ts';
export { Redacted } from './redacted.ts';
export {
  CONTRACT_FIELD_LIMIT,
  Contract,
  Expectations,
  Field,
  FieldRole,
  FieldType,
  INPUT_ROLES,
  PROBLEM_LIMIT,
  STRING_LENGTH_LIMIT,
  compileContract,
  describe,
  isInheritedName,
  nearestName,
  timestampMs,
  type ContractProblem,
  type ContractRule,
  type Row,
  type RowValidator,
} from './contract.ts';
export { matrixAt, noteMatrix, type RowMatrix } from './row-matrix.ts';
export { categoryText, cell, columnKind, frameFromRows, numberOf, takeRows, textColumn, type Column, type Frame } from './frame.ts';
export type { Call, CallContext, Cost, Part, Result, Servable, ServableKind, ServableLoader, VersionRef } from './servable.ts';
export {
  BATCH_DELAY_MS_MAX,
  BATCH_ROWS_MAX,
  DEADLINE_HEADER,
  DEADLINE_MS_MAX,
  LANES_MAX,
  PRIORITY_HEADER,
  Priority,
  QUEUE_ROWS_MAX,
  ServingSettings,
  THREADS_MAX,
  readDeadline,
  readPriority,
  type CallWish,
  type Capacity,
} from './serving.ts';
export {
  COUNTERFACTUAL_LIMIT,
  Counterfactual,
  EXPLAINED_FIELDS_DEFAULT,
  EXPLAINED_FIELDS_LIMIT,
  EXPLAINED_ROWS_LIMIT,
  ExplainOptions,
  Explanation,
  ExplanationMethod,
  FieldContribution,
  NEIGHBOUR_LIMIT,
  Neighbour,
  RuleMention,
} from './explanation.ts';
export { PERMISSIONS, Role, roleAllows, type Permission, type Principal } from './principal.ts';
export { Invocation, Outcome, RecordingPolicy } from './invocation.ts';
export {
  RawReply,
  defineRoute,
  defineWorkflow,
  type Capability,
  type Job,
  type Method,
  type Migration,
  type ProgressEvent,
  type Route,
  type RouteCall,
  type WorkflowContext,
  type WorkflowDefinition,
} from './capability.ts';
export { Name, PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX, PageQuery, pageOf, toName, type Page } from './names.ts';
