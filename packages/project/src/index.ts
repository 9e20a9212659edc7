export { BATCH_QUEUE, type BatchDeps } from './batch/batch-workflow.ts';
export { projectCapability } from './capability.ts';
export { LaunchInvalidError, LaunchNotResolvedError, UploadMissingError } from './errors.ts';
export type { LaunchDeps } from './launch-deps.ts';
export { createLaunches, type Launches } from './launch-service.ts';
export { AnyModelMeta, ReportMeta } from './launch-state.ts';
export { LAUNCH_WORKFLOW, launchWorkflow } from './launch-workflow.ts';
export { migrations as projectMigrations } from './migrations.ts';
export { modelRecipe, reportRecipe } from './recipe.ts';
