import assert from 'node:assert/strict';
import { createIds, systemClock, systemRandomBytes } from '@slipway/kernel';
import { createTestRecords } from '@slipway/records/testing';
import { test } from 'vitest';
import { identityCapability } from './capability.ts';
import { createIdentity } from './identity-service.ts';

test('ID21 no route that shows a secret is replayed by Idempotency-Key, because the reply would be stored', async () => {
  const records = await createTestRecords([]);
  const audit = { append: async () => ({ seq: 1, id: 'evt_1' }) };
  const identity = createIdentity({ records, audit, clock: systemClock, ids: createIds(systemClock), random: systemRandomBytes });
  const routes = identityCapability(identity, systemClock).routes ?? [];
  const secret = routes.filter((route) => route.path.startsWith('/v1/keys'));
  assert.deepEqual(
    routes.map((route) => `${route.method} ${route.path} ${route.permission}`),
    [
      'GET /v1/me self.read',
      'GET /v1/projects instance.manage',
      'POST /v1/projects instance.manage',
      'GET /v1/keys key.manage',
      'POST /v1/keys key.manage',
      'DELETE /v1/keys/{key} key.manage',
      'POST /v1/keys/{key}/rotate key.manage',
    ],
  );
  assert.ok(secret.every((route) => !route.idempotent));
  await records.close();
});
