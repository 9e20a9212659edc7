import { Name, Role, pageOf } from '@slipway/kernel';
import { z } from 'zod';

/** RFC 3339, UTC, milliseconds. */
const Timestamp = z.string();

export const ProjectReply = z.object({ id: z.string(), name: Name, createdAt: Timestamp });
export type ProjectReply = z.infer<typeof ProjectReply>;

export const ProjectPage = pageOf(ProjectReply);
export type ProjectPage = z.infer<typeof ProjectPage>;

export const CreateProjectBody = z.strictObject({ name: Name });
export type CreateProjectBody = z.infer<typeof CreateProjectBody>;

/** Who the key in use speaks for. */
export const MeReply = z.object({
  principal: z.string(),
  label: z.string(),
  role: Role,
  instance: z.boolean(),
  project: z.object({ id: z.string(), name: Name }),
  permissions: z.array(z.string()),
});
export type MeReply = z.infer<typeof MeReply>;

/** `rotated` keys still work until `expiresAt`, their stated grace. */
export const KeyStatus = z.enum(['active', 'rotated', 'expired', 'revoked']);
export type KeyStatus = z.infer<typeof KeyStatus>;

export const KeyReply = z.object({
  id: z.string(),
  principal: z.string(),
  project: z.string(),
  role: Role,
  instance: z.boolean(),
  label: z.string(),
  /** The first characters, to tell keys apart; never enough to use one. */
  hint: z.string(),
  status: KeyStatus,
  createdAt: Timestamp,
  expiresAt: Timestamp,
  lastUsedAt: Timestamp.nullable(),
  revokedAt: Timestamp.nullable(),
  replacedBy: z.string().nullable(),
});
export type KeyReply = z.infer<typeof KeyReply>;

export const KeyPage = pageOf(KeyReply);
export type KeyPage = z.infer<typeof KeyPage>;

export const KeyLabel = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[^\p{C}]+$/u, 'use printable characters');

export const CreateKeyBody = z.strictObject({
  role: Role,
  label: KeyLabel.meta({ examples: ['checkout service'] }),
  /** At most a year ahead; 90 days when left out. */
  expiresAt: z.iso.datetime({ offset: true }).optional(),
});
export type CreateKeyBody = z.input<typeof CreateKeyBody>;

/** The only reply that ever holds a key's secret. */
export const CreatedKeyReply = z.object({ key: z.string(), info: KeyReply });
export type CreatedKeyReply = z.infer<typeof CreatedKeyReply>;

/** Longest time an old key may go on beside its replacement. */
export const ROTATION_GRACE_SECONDS_MAX = 7 * 24 * 3_600;
/** Grace when the caller names none: a day to roll the new key out. */
export const ROTATION_GRACE_SECONDS_DEFAULT = 24 * 3_600;

export const RotateKeyBody = z.strictObject({
  graceSeconds: z.int().min(0).max(ROTATION_GRACE_SECONDS_MAX).default(ROTATION_GRACE_SECONDS_DEFAULT),
  expiresAt: z.iso.datetime({ offset: true }).optional(),
});
export type RotateKeyBody = z.input<typeof RotateKeyBody>;

export const ProjectParams = z.object({ project: z.string() });
export const KeyParams = z.object({ key: z.string().startsWith('key_') });
