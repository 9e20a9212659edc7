export {
  LINEAGE_DEPTH_MAX,
  LINEAGE_EDGE_LIMIT,
  LINEAGE_NODE_LIMIT,
  META_LIMIT_BYTES,
  PARENT_LIMIT,
  type AliasTarget,
  type Catalog,
  type CatalogKind,
  type Lineage,
  type LineageEdge,
  type NewVersion,
  type ParentLink,
  type Version,
} from './catalog.ts';
export { createCatalog, type CatalogDeps } from './catalog-service.ts';
export { catalogCapability, catalogSchema } from './capability.ts';
export { InvalidReferenceError, InvalidVersionError, ParentNotFoundError, VersionNotFoundError, VersionRetiredError } from './errors.ts';
