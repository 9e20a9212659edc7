import { Readable } from 'node:stream';
import { type Json, RawReply, type Route, canonicalJson, defineRoute } from '@slipway/kernel';
import type { Workflows } from '@slipway/workflows';
import { z } from 'zod';
import { BatchOutputError, UploadMissingError } from '../errors.ts';
import { BATCH_WORKFLOW, type BatchDeps } from './batch-workflow.ts';
import { type BatchFormat, BatchRequest, BatchResult, BatchStarted } from './contract.ts';

const CONTENT_TYPES: Readonly<Record<BatchFormat, string>> = {
  parquet: 'application/vnd.apache.parquet',
  csv: 'text/csv; charset=utf-8',
  ndjson: 'application/x-ndjson',
};

/** Predictions for whole tables: start a run, fetch what it wrote. */
export function batchRoutes(deps: BatchDeps, workflows: Workflows): Route[] {
  return [
    defineRoute({
      method: 'POST',
      path: '/v1/batch-predictions',
      permission: 'predict',
      summary: 'Predict for every row of an uploaded table, as a durable run.',
      body: BatchRequest,
      response: BatchStarted,
      successStatus: 202,
      idempotent: true,
      handle: async ({ project, principal, body }) => {
        if (!(await deps.objects.has(project, body.input.sha256))) {
          throw new UploadMissingError(`The bytes of "${body.input.fileName}" are not here.`, {
            details: { sha256: body.input.sha256 },
            help: 'Send them to POST /v1/uploads first.',
          });
        }
        await deps.releases.get(project, body.release);
        const input = JSON.parse(canonicalJson(body)) as Json;
        const title = `predict ${body.release} for ${body.input.fileName}`;
        const provenance = { sources: [{ uri: body.input.fileName, sha256: body.input.sha256 }] };
        const run = await deps.records.transaction((tx) =>
          workflows.start(tx, { project, principal, workflow: BATCH_WORKFLOW, input, title, provenance }),
        );
        return { run: run.id };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/batch-predictions/{run}/{file}',
      permission: 'predict',
      summary: 'A file of a finished batch run: its predictions (`output`) or the rows set aside (`rejects`).',
      params: z.object({ run: z.string().max(64), file: z.enum(['output', 'rejects']) }),
      response: z.unknown(),
      handle: async ({ project, params }) => {
        const run = await workflows.get(project, params.run);
        const result = BatchResult.safeParse(run.output);
        if (run.workflow !== BATCH_WORKFLOW || !result.success) {
          throw new BatchOutputError(`The run ${params.run} is no batch that has ended well.`, {
            details: { run: params.run, status: run.status },
          });
        }
        const written = result.data[params.file];
        if (!written) {
          throw new BatchOutputError(params.file === 'rejects' ? 'No row was set aside.' : 'No row could be predicted.', {
            details: { run: params.run },
          });
        }
        const bytes = await deps.objects.open(project, written.sha256);
        const stream = Readable.toWeb(Readable.from(bytes)) as ReadableStream<Uint8Array>;
        return new RawReply(stream, {
          contentType: CONTENT_TYPES[result.data.format],
          headers: {
            'content-length': String(written.sizeBytes),
            'x-content-type-options': 'nosniff',
            'content-disposition': 'attachment',
          },
        });
      },
    }),
  ];
}
