export { governanceCapability, governanceSchema } from './capability.ts';
export { ErasureFailedError, ErasureNotFoundError } from './errors.ts';
export { createRetention, UploadLostError, type Retention, type WishedKeepDays } from './retention/retention.ts';
export { createErasures, type Erasures } from './erasure-service.ts';
export { ERASURE_WORKFLOW, erasureWorkflow, type ErasureDeps } from './erasure-workflow.ts';
