export { createHttpApp, type HttpApp } from './http-app.ts';
export { createIdempotencyStore, httpCapability } from './idempotency-store.ts';
export { listen, type Listening } from './listen.ts';
