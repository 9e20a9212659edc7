export { METHODS, PROJECT_PREFIX, compileRoutes, type CompiledRoute } from './compile-routes.ts';
export { RouteDeclarationError } from './errors.ts';
export { createHttpApp, type HttpApp, type HttpAppDeps, type HttpOptions } from './http-app.ts';
export { createIdempotencyStore, httpCapability, type IdempotencyStore } from './idempotency-store.ts';
export * as httpLimits from './limits.ts';
export { listen, type Listening } from './listen.ts';
export { buildOpenApi, type OpenApiDocument } from './openapi.ts';
export type { HttpLog, IdentityPort, Observation } from './pipeline.ts';
