export { PermissionDeniedError } from './errors.ts';
export { createHttpApp, type HttpApp } from './http-app.ts';
export { createIdempotencyStore, httpCapability } from './idempotency-store.ts';
export { DRAIN_IDLE_MS } from './limits.ts';
export { listen, type Listening } from './listen.ts';
export { bearerKey } from './pipeline.ts';
export { createRequestIds } from './request-id.ts';
