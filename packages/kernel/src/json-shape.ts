import { z } from 'zod';
import type { Json as JsonValue } from './json.ts';

/** Any JSON value; the parser at the boundary has already bounded its depth and numbers. */
export const Json: z.ZodType<JsonValue> = z.custom<JsonValue>((value) => value !== undefined);
