export {
  CHANGES_WAIT_MAX_MS,
  EVENT_LIMIT_MAX,
  PAYLOAD_LIMIT_BYTES,
  PROBLEM_LIMIT,
  type Audit,
  type AuditEntry,
  type AuditEvent,
  type AuditHead,
  type AuditProblem,
  type AuditVerification,
  type Checkpoint,
  type ListEventsOptions,
  type VerifyOptions,
} from './audit.ts';
export { createAudit, type AuditDeps } from './audit-service.ts';
export { auditCapability, auditSchema } from './capability.ts';
export { CorruptEventError, InvalidEntryError, PayloadTooLargeError, TooManyWaitersError } from './errors.ts';
export { MerkleTree, leafHash, merkleRoot } from './merkle.ts';
