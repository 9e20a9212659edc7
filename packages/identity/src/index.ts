export {
  CACHE_ENTRIES_LIMIT,
  CACHE_TTL_MS,
  FAILED_LOOKUPS_BURST,
  FAILED_LOOKUPS_PER_SECOND,
  LAST_USED_WRITE_MS,
  OUTAGE_GRACE_MS,
} from './authenticator.ts';
export { identityCapability } from './capability.ts';
export { decide, permissionsOf, roleContains, type Decision } from './decide.ts';
export {
  IdentityLimitError,
  KeyNotFoundError,
  KeyRejectedError,
  KeyStateError,
  ProjectExistsError,
  ProjectNotFoundError,
  ScopeError,
  SecretKeyError,
  SecretUnreadableError,
  TooManyAttemptsError,
  WeakKeyError,
} from './errors.ts';
export {
  ADMIN_KEY_LIFETIME_MS,
  DEFAULT_PROJECT_NAME,
  KEY_LIFETIME_DEFAULT_MS,
  KEY_LIFETIME_MAX_MS,
  LIVE_KEYS_PER_PROJECT_LIMIT,
  PROJECTS_LIMIT,
  createIdentity,
  type AuditPort,
  type Bootstrap,
  type CreateKeyRequest,
  type CreatedKey,
  type Identity,
  type IdentityDeps,
  type RotateKeyRequest,
} from './identity-service.ts';
export type { KeyRecord, Project } from './identity-store.ts';
export { KEY_LENGTH_MIN, KEY_PREFIX, checkAdminKey, couldBeKey } from './key-format.ts';
export { identityMigrations } from './migrations.ts';
export { SECRET_LIMIT_BYTES, createSecretBox, type SecretBinding, type SecretBox } from './secrets/secret-box.ts';
export { SECRET_KEYS_LIMIT, openSecretKeys, parseSecretKeys, type SecretKeys } from './secrets/secret-keys.ts';
