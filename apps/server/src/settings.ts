import { resolve } from 'node:path';
import { KEEP_DAYS_DEFAULT } from '@slipway/governance/contract';
import { parseSecretKeys } from '@slipway/identity';
import { InvalidError, Redacted } from '@slipway/kernel';
import { ResourceLimits } from '@slipway/monitoring/contract';
import { z } from 'zod';

/** One setting: where it may be given, what it must look like, and what it is when nobody says. */
interface Setting<S extends z.ZodType = z.ZodType> {
  readonly flag: string | null;
  readonly env: string;
  readonly shape: S;
  readonly summary: string;
  readonly secret?: boolean;
}

function setting<S extends z.ZodType>(definition: Setting<S>): Setting<S> {
  return definition;
}

export const DEFAULT_PORT = 7700;

const KeepDaysText = z.coerce.number().int().min(1).max(36_500).optional();

function readJson(text: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'is no JSON' });
    return z.NEVER;
  }
}

function isSecretKeys(text: string): boolean {
  try {
    return parseSecretKeys(text, 'SLIPWAY_SECRET_KEY').length > 0;
  } catch {
    return false;
  }
}

/** The settings of a Slipway process. Flags win over the environment, the environment over defaults; docs come from here. */
export const SETTINGS = {
  home: setting({
    flag: '--home',
    env: 'SLIPWAY_HOME',
    shape: z.string().min(1).default('.slipway'),
    summary: 'Folder of the embedded stores, made when missing.',
  }),
  port: setting({
    flag: '--port',
    env: 'SLIPWAY_PORT',
    shape: z.coerce.number().int().min(0).max(65_535).default(DEFAULT_PORT),
    summary: 'Port on 127.0.0.1; 0 takes a free one.',
  }),
  grpcPort: setting({
    flag: '--grpc-port',
    env: 'SLIPWAY_GRPC_PORT',
    shape: z.coerce.number().int().min(0).max(65_535).optional(),
    summary: 'Port on 127.0.0.1 of the Open Inference Protocol over gRPC; 0 takes a free one. Not served unless given.',
  }),
  url: setting({
    flag: '--url',
    env: 'SLIPWAY_URL',
    shape: z.url({ protocol: /^https?$/ }).optional(),
    summary: 'Address of a server to talk to instead of the home.',
  }),
  key: setting({
    flag: null,
    env: 'SLIPWAY_KEY',
    shape: z.string().min(32, 'needs 32 characters or more').max(256).optional(),
    summary: 'Key of the CLI; on the very first start it becomes the admin key. 32 characters or more.',
    secret: true,
  }),
  project: setting({
    flag: '--project',
    env: 'SLIPWAY_PROJECT',
    shape: z.string().min(1).optional(),
    summary: "Project to act in, when it is not the key's own.",
  }),
  databaseUrl: setting({
    flag: null,
    env: 'DATABASE_URL',
    shape: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
    summary: 'A PostgreSQL server for the records instead of the embedded one.',
    secret: true,
  }),
  objectsUrl: setting({
    flag: null,
    env: 'OBJECTS_URL',
    shape: z.url({ protocol: /^file$/, error: 'must be a folder such as file:///mnt/objects' }).optional(),
    summary: 'Where objects are kept, instead of a folder of the home: a folder, as file:///path. Replicas on one DATABASE_URL share it.',
  }),
  outboundAllow: setting({
    flag: null,
    env: 'SLIPWAY_OUTBOUND_ALLOW',
    shape: z
      .string()
      .max(10_000)
      .optional()
      .transform((text) =>
        (text ?? '')
          .split(',')
          .map((host) => host.trim().toLowerCase())
          .filter((host) => host !== ''),
      ),
    summary: 'Private hosts (host or host:port, separated by commas) that alerts may be sent to; public ones always may.',
  }),
  secretKey: setting({
    flag: null,
    env: 'SLIPWAY_SECRET_KEY',
    shape: z
      .string()
      .max(1_000)
      .refine(isSecretKeys, 'is no key of 32 bytes: openssl rand -hex 32 makes one')
      .transform((text) => new Redacted(text))
      .optional(),
    summary:
      'Seals stored passwords and signing secrets: 32 bytes in hex or base64; older keys after commas. Without it, secret.key in the home.',
    secret: true,
  }),
  modelMemoryMb: setting({
    flag: null,
    env: 'SLIPWAY_MODEL_MEMORY_MB',
    shape: z.coerce.number().int().min(1).max(16_777_216).optional(),
    summary:
      'Megabytes (2^20 bytes) that loaded models may hold together; beyond it those used longest ago are unloaded, and loaded again by their next call. Default: half of the memory that the container or the machine has.',
  }),
  lameDuckMs: setting({
    flag: null,
    env: 'SLIPWAY_LAME_DUCK_MS',
    shape: z.coerce.number().int().min(0).max(600_000).default(0),
    summary:
      'How long a server that was told to stop goes on taking requests while /health/ready says 503, so that load balancers notice. Whatever it accepted is answered either way.',
  }),
  keepUploadsDays: setting({
    flag: null,
    env: 'SLIPWAY_KEEP_UPLOADS_DAYS',
    shape: KeepDaysText,
    summary: `Days that uploaded bytes are kept which no version and no open or recent run uses. Default: ${KEEP_DAYS_DEFAULT.uploads}.`,
  }),
  keepRunEventsDays: setting({
    flag: null,
    env: 'SLIPWAY_KEEP_RUN_EVENTS_DAYS',
    shape: KeepDaysText,
    summary: `Days that the progress of ended runs is kept. Default: ${KEEP_DAYS_DEFAULT.runEvents}.`,
  }),
  keepRunStepsDays: setting({
    flag: null,
    env: 'SLIPWAY_KEEP_RUN_STEPS_DAYS',
    shape: KeepDaysText,
    summary: `Days that the steps of ended runs are kept; as long a failed run can be retried. Default: ${KEEP_DAYS_DEFAULT.runSteps}.`,
  }),
  resourceLimits: setting({
    flag: null,
    env: 'SLIPWAY_RESOURCE_LIMITS',
    shape: z.string().max(2_000).transform(readJson).pipe(ResourceLimits).optional(),
    summary:
      'From where on memory, heap, loop (ms), disk (bytes) and backlog (bytes) are worth a warning or an alert, as JSON: {"disk":{"warn":5e9}}.',
  }),
  durability: setting({
    flag: null,
    env: 'SLIPWAY_DURABILITY',
    shape: z.enum(['process', 'host']).default('process'),
    summary: 'What an answered invocation survives: a killed process, or (with fsync) a host that loses power.',
  }),
} as const;

type Values = { readonly [Name in keyof typeof SETTINGS]: z.output<(typeof SETTINGS)[Name]['shape']> };
export type SettingValues = { readonly [Name in keyof Values]: Values[Name] };

/** Joins flags, environment and defaults. @throws {InvalidError} that names the flag or variable and never shows a secret. */
function resolveSettings(
  flags: Readonly<Partial<Record<keyof typeof SETTINGS, string | undefined>>>,
  env: NodeJS.ProcessEnv,
): SettingValues {
  const values: Record<string, unknown> = {};
  for (const [name, definition] of Object.entries(SETTINGS) as [keyof typeof SETTINGS, Setting][]) {
    const flagged = flags[name];
    const fromEnv = env[definition.env];
    const given = flagged ?? (fromEnv === undefined || fromEnv === '' ? undefined : fromEnv);
    const parsed = definition.shape.safeParse(given);
    if (!parsed.success) {
      const where = flagged === undefined ? definition.env : (definition.flag ?? definition.env);
      const got = definition.secret ? '' : `, got "${given ?? ''}"`;
      throw new InvalidError(`${where} ${parsed.error.issues[0]?.message.toLowerCase() ?? 'is not valid'}${got}.`, {
        help: definition.summary,
      });
    }
    values[name] = parsed.data;
  }
  const typed = values as Values;
  return { ...typed, home: resolve(typed.home) };
}

/** The settings as a Markdown table, for docs/reference/configuration.md. */
function renderSettings(): string {
  const rows = Object.values(SETTINGS).map((each: Setting) => {
    const fallback = each.shape.safeParse(undefined);
    const shown = fallback.success && fallback.data !== undefined ? `\`${String(fallback.data)}\`` : '';
    return `| ${each.flag ? `\`${each.flag}\`` : ''} | \`${each.env}\` | ${shown} | ${each.summary} |`;
  });
  return ['| flag | environment | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

export const settings = { resolve: resolveSettings, render: renderSettings };
