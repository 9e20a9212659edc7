import assert from 'node:assert/strict';
import { PERMISSIONS, Role, type Permission, type Principal } from '@slipway/kernel';
import { test } from 'vitest';
import { decide, permissionsOf, roleContains } from './decide.ts';

const permissions = Object.keys(PERMISSIONS) as Permission[];
const principal = (role: Role, instance = false): Principal => ({ id: 'prn_1', project: 'prj_own', role, instance, label: 'x' });

test('ID3 in its own project a role may do exactly what the table says', () => {
  for (const role of Role.options) {
    for (const permission of permissions) {
      const listed = (PERMISSIONS[permission] as readonly Role[]).includes(role);
      assert.equal(decide(principal(role), permission, 'prj_own'), listed ? 'allow' : 'deny', `${role} ${permission}`);
    }
  }
});

test('ID3 another project is hidden from everybody but an instance principal', () => {
  for (const role of Role.options) {
    for (const permission of permissions) {
      assert.equal(decide(principal(role), permission, 'prj_other'), 'hidden');
      assert.notEqual(decide(principal(role, true), permission, 'prj_other'), 'hidden');
    }
  }
});

test('ID3 only an instance principal may manage the instance', () => {
  assert.equal(decide(principal('admin'), 'instance.manage', 'prj_own'), 'deny');
  assert.equal(decide(principal('admin', true), 'instance.manage', 'prj_own'), 'allow');
  assert.ok(permissionsOf(principal('admin', true)).includes('instance.manage'));
});

test('ID4 an admin contains every role and no other role contains admin', () => {
  for (const role of Role.options) {
    assert.ok(roleContains('admin', role));
    assert.ok(roleContains(role, role));
    assert.equal(roleContains(role, 'admin'), role === 'admin');
  }
  assert.equal(roleContains('viewer', 'service'), false);
});
