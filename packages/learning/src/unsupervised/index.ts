export {
  CLUSTER_LIMIT,
  COMPONENT_LIMIT,
  UnsupervisedAnswer,
  UnsupervisedKind,
  UnsupervisedMetadata,
  UnsupervisedVersionMeta,
} from './contract.ts';
export type { UnsupervisedOptions } from './fit.ts';
export { type UnsupervisedRun, runUnsupervised } from './run-unsupervised.ts';
export { openUnsupervised, openUnsupervisedGraph, readUnsupervised, unsupervisedLoader, type UnsupervisedLoaderDeps } from './servable.ts';
