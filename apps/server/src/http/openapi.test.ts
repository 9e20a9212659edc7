import assert from 'node:assert/strict';
import { identityCapability, type Identity } from '@slipway/identity';
import { systemClock } from '@slipway/kernel';
import { afterAll, beforeAll, describe, test } from 'vitest';
import type { IdempotencyStore } from './idempotency-store.ts';
import { sampleRoutes } from './testing/sample-routes.ts';
import { startTestServer, type TestServer } from './testing/index.ts';

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, unknown>>;
  readonly parameters?: readonly { name: string; in: string }[];
  readonly security?: unknown[];
  readonly 'x-slipway-permission'?: string;
}

describe('the OpenAPI document', () => {
  let server: TestServer;
  let document: { openapi: string; paths: Record<string, Record<string, Operation>>; components: { responses: object } };
  beforeAll(async () => {
    // Only the routes' descriptions are used here.
    const identity = identityCapability({} as Identity, systemClock).routes ?? [];
    server = await startTestServer([...sampleRoutes, ...identity], { idempotency: {} as IdempotencyStore });
    const response = await server.request('/openapi.json');
    assert.equal(response.status, 200);
    document = (await response.json()) as typeof document;
  });
  afterAll(() => server.close({ timeoutMs: 100 }));

  test('HT40 lists exactly what the router serves', () => {
    const described = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const served = server.http.app.routes.map((route) => `${route.method} ${route.path.replace(/:([A-Za-z0-9]+)/g, '{$1}')}`);
    assert.deepEqual(described.toSorted(), served.toSorted());
    assert.ok(described.includes('GET /v1/projects/{project}/things') && described.includes('GET /health'));
  });

  test('HT41 every operation has its own id, its permission, and only errors that are described', () => {
    assert.equal(document.openapi, '3.1.0');
    const operations = Object.values(document.paths).flatMap((item) => Object.values(item));
    assert.equal(new Set(operations.map((operation) => operation.operationId)).size, operations.length);
    for (const operation of operations) {
      assert.ok(operation['x-slipway-permission'] !== undefined || operation.security?.length === 0, operation.operationId);
      assert.ok(Object.keys(operation.responses).some((status) => status.startsWith('2')));
    }
    const references = [...JSON.stringify(document.paths).matchAll(/#\/components\/responses\/(E\d+)/g)].map((match) => match[1] as string);
    for (const name of new Set(references)) assert.ok(name in document.components.responses, name);
  });

  test('HT41 path parameters, query and body come from the schemas', () => {
    const predict = document.paths['/v1/projects/{project}/releases/{name}/predict']?.['post'];
    assert.deepEqual(
      predict?.parameters?.map((parameter) => `${parameter.in} ${parameter.name}`),
      ['path project', 'path name'],
    );
    assert.match(JSON.stringify(predict), /"pattern":"\^\[a-z-\]\+\$"/);
    const list = document.paths['/v1/things']?.['get'];
    assert.deepEqual(
      list?.parameters?.map((parameter) => `${parameter.in} ${parameter.name}`),
      ['query limit', 'query cursor'],
    );
  });
});
