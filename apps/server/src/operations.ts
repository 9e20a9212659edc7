import { Readable } from 'node:stream';
import { type Capability, type Clock, RawReply, defineRoute } from '@slipway/kernel';
import type { Objects } from '@slipway/objects';
import type { Records } from '@slipway/records';
import type { Telemetry } from '@slipway/telemetry';
import { z } from 'zod';
import { backupStream } from './backup.ts';

/** What an operator does to the whole instance. */
export function operationsCapability(deps: { records: Records; objects: Objects; telemetry: Telemetry; clock: Clock }): Capability {
  return {
    name: 'operations',
    routes: [
      defineRoute({
        method: 'GET',
        path: '/v1/backup',
        permission: 'instance.manage',
        summary: 'Everything of the instance as one gzipped stream; `slipway restore` reads it.',
        response: z.unknown(),
        async handle() {
          // Calls that live only in an open segment are not part of a dump; rolling makes them objects.
          await deps.telemetry.roll();
          const stream = backupStream({ records: deps.records, objects: deps.objects, nowMs: deps.clock.nowMs() });
          return new RawReply(Readable.toWeb(stream) as unknown as ReadableStream<Uint8Array>, { contentType: 'application/gzip' });
        },
      }),
    ],
  };
}
