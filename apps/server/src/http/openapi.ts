import { ERROR_KINDS, PERMISSIONS, type Permission } from '@slipway/kernel';
import { z } from 'zod';
import type { CompiledRoute } from './compile-routes.ts';

/** An OpenAPI 3.1 document: plain JSON. */
export type OpenApiDocument = Readonly<Record<string, unknown>> & {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
};

type JsonSchema = Record<string, unknown>;

/** Describes exactly the routes that are served: one operation each. */
export function buildOpenApi(routes: readonly CompiledRoute[], version: string): OpenApiDocument {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const compiled of routes.toSorted((left, right) => (left.path < right.path ? -1 : 1))) {
    (paths[compiled.path] ??= {})[compiled.method.toLowerCase()] = describeOperation(compiled);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Slipway', version, description: DESCRIPTION, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: '/' }],
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'A Slipway key. It belongs to one project and one role.' } },
      schemas: { Error: ERROR_SCHEMA },
      responses: errorResponses(),
    },
  };
}

const DESCRIPTION =
  'Every /v1 route answers for the project of the key, and under /v1/projects/{project} for a project named by id or name. ' +
  'Lists are paged by an opaque cursor. Times are RFC 3339 in UTC. Errors have one shape and a stable code.';

function describeOperation(compiled: CompiledRoute): JsonSchema {
  const { route, permission } = compiled;
  const parameters = [...pathParameters(compiled), ...queryParameters(compiled), ...headerParameters(compiled)];
  const body = requestBody(compiled);
  return {
    operationId: operationId(compiled),
    summary: route.summary,
    tags: [tagOf(compiled)],
    ...(permission === undefined
      ? { security: [] }
      : {
          'x-slipway-permission': permission,
          'x-slipway-roles': rolesOf(permission),
          description: `Needs the permission \`${permission}\`.`,
        }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body === undefined ? {} : { requestBody: body }),
    responses: { [String(route.successStatus ?? 200)]: success(compiled), ...errorReferences(compiled) },
  };
}

function rolesOf(permission: Permission): readonly string[] {
  return permission === 'instance.manage' ? ['instance admin'] : PERMISSIONS[permission];
}

function operationId(compiled: CompiledRoute): string {
  const words = compiled.path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  return compiled.method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function tagOf(compiled: CompiledRoute): string {
  const segments = compiled.route.path.split('/').filter((segment) => segment !== '');
  return (/^v\d+$/.test(segments[0] ?? '') ? segments[1] : segments[0]) ?? 'root';
}

function toSchema(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, target: 'draft-2020-12', unrepresentable: 'any', reused: 'inline' });
  return rest;
}

interface ObjectSchema {
  readonly properties: Readonly<Record<string, JsonSchema>>;
  readonly required: readonly string[];
}

function objectSchema(schema: z.ZodType | undefined): ObjectSchema {
  const found = schema === undefined ? {} : toSchema(schema, 'input');
  return {
    properties: (found['properties'] as ObjectSchema['properties'] | undefined) ?? {},
    required: (found['required'] as string[] | undefined) ?? [],
  };
}

function pathParameters(compiled: CompiledRoute): JsonSchema[] {
  const { properties } = objectSchema(compiled.route.params);
  return compiled.parameters.map((name) => ({ name, in: 'path', required: true, schema: properties[name] ?? { type: 'string' } }));
}

function queryParameters(compiled: CompiledRoute): JsonSchema[] {
  const { properties, required } = objectSchema(compiled.route.query);
  return Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', required: required.includes(name), schema }));
}

function headerParameters(compiled: CompiledRoute): JsonSchema[] {
  if (!compiled.route.idempotent) return [];
  const description = 'Repeating a call with the same key and body returns the first reply for 24 hours.';
  return [
    { name: 'Idempotency-Key', in: 'header', required: false, description, schema: { type: 'string', minLength: 1, maxLength: 255 } },
  ];
}

function requestBody(compiled: CompiledRoute): JsonSchema | undefined {
  if (compiled.bodyKind === 'none') return undefined;
  const description = `At most ${compiled.bodyLimitBytes} bytes.`;
  if (compiled.bodyKind === 'stream') return { required: true, description, content: { 'application/octet-stream': {} } };
  const schema = compiled.route.body === undefined ? {} : toSchema(compiled.route.body, 'input');
  const raw = compiled.bodyKind === 'bytes' ? { 'application/octet-stream': {} } : {};
  return { required: true, description, content: { 'application/json': withExample(schema), ...raw } };
}

/** A schema's own examples (`.meta({ examples })`) become the example of the body or reply. */
function withExample(schema: JsonSchema): JsonSchema {
  const examples = schema['examples'];
  return Array.isArray(examples) && examples.length > 0 ? { schema, example: examples[0] as unknown } : { schema };
}

function success(compiled: CompiledRoute): JsonSchema {
  return { description: compiled.route.summary, content: { 'application/json': withExample(toSchema(compiled.route.response, 'output')) } };
}

const ERROR_NAMES = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'notFound',
  409: 'conflict',
  413: 'tooLarge',
  422: 'invalid',
  429: 'limited',
  500: 'internal',
  503: 'unavailable',
  504: 'timeout',
} as const satisfies Readonly<Record<number, keyof typeof ERROR_KINDS>>;

function errorReferences(compiled: CompiledRoute): JsonSchema {
  const open = compiled.permission === undefined;
  const skip = new Set(open ? ['401', '429'] : []);
  if (compiled.bodyKind === 'none') skip.add('413');
  const statuses = Object.keys(ERROR_NAMES).filter((status) => !skip.has(status));
  return Object.fromEntries(statuses.map((status) => [status, { $ref: `#/components/responses/E${status}` }]));
}

function errorResponses(): JsonSchema {
  const entries = Object.entries(ERROR_NAMES).map(([status, kind]) => {
    const example = {
      error: {
        code: `kernel/${kind}`,
        kind,
        message: 'What went wrong.',
        remedy: 'fix-input',
        details: {},
        requestId: 'req_…',
        help: null,
      },
    };
    const schema = { $ref: '#/components/schemas/Error' };
    return [`E${status}`, { description: `Error of kind \`${kind}\`.`, content: { 'application/json': { schema, example } } }];
  });
  return Object.fromEntries(entries) as JsonSchema;
}

const ERROR_SCHEMA: JsonSchema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'kind', 'message', 'remedy', 'details', 'requestId', 'help'],
      properties: {
        code: { type: 'string', description: 'Stable; code and details are enough to translate the message.' },
        kind: { enum: Object.keys(ERROR_KINDS) },
        message: { type: 'string' },
        remedy: { enum: ['fix-input', 'retry', 'wait', 'report'] },
        details: { type: 'object' },
        requestId: { type: ['string', 'null'] },
        help: { type: ['string', 'null'] },
      },
    },
  },
};
