import type { Catalog } from '@slipway/catalog';
import { type Capability, Contract, InvalidError, PageQuery, defineRoute } from '@slipway/kernel';
import { z } from 'zod';
import { DatasetPage, DatasetVersion, Profile, RowsPage, Upload } from './contract.ts';
import { type Data, toDatasetVersion } from './data-service.ts';
import { PREVIEW_ROW_LIMIT, UPLOAD_LIMIT_BYTES } from './limits.ts';

const DatasetParams = z.object({ dataset: z.string().min(1).max(256) });
const RowsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(PREVIEW_ROW_LIMIT).default(50),
  offset: z.coerce.number().int().min(0).default(0),
});
const DatasetsQuery = PageQuery.extend({ name: z.string().max(64).optional() });

/** Uploads, datasets, their profiles, contracts and rows. No tables of its own: versions are the catalog's. */
export function dataCapability(deps: { readonly data: Data; readonly catalog: Catalog }): Capability {
  const { data, catalog } = deps;
  return {
    name: 'data',
    routes: [
      defineRoute({
        method: 'POST',
        path: '/v1/uploads',
        permission: 'data.write',
        summary: 'Store the raw bytes of a file, to be ingested or launched by their upload id.',
        bodyKind: 'stream',
        bodyLimitBytes: UPLOAD_LIMIT_BYTES,
        response: Upload,
        successStatus: 201,
        handle: async (call) => data.upload(call.project, byteStream(call.body)),
      }),
      defineRoute({
        method: 'GET',
        path: '/v1/datasets',
        permission: 'project.read',
        summary: 'Dataset versions, newest first.',
        query: DatasetsQuery,
        response: DatasetPage,
        handle: async ({ project, query }) => {
          const { limit, cursor, name } = query;
          const page = await catalog.list(project, { kind: 'dataset', limit, ...(cursor ? { cursor } : {}), ...(name ? { name } : {}) });
          return { items: page.items.map(toDatasetVersion), nextCursor: page.nextCursor };
        },
      }),
      defineRoute({
        method: 'GET',
        path: '/v1/datasets/{dataset}',
        permission: 'project.read',
        summary: 'One dataset version, by id, name, name@alias or name:number.',
        params: DatasetParams,
        response: DatasetVersion,
        handle: async ({ project, params }) => toDatasetVersion(await catalog.resolve(project, 'dataset', params.dataset)),
      }),
      defineRoute({
        method: 'GET',
        path: '/v1/datasets/{dataset}/profile',
        permission: 'project.read',
        summary: 'What the columns of a dataset version look like.',
        params: DatasetParams,
        response: Profile,
        handle: async ({ project, params }) => data.loadProfile(project, (await data.dataset(project, params.dataset)).meta),
      }),
      defineRoute({
        method: 'GET',
        path: '/v1/datasets/{dataset}/contract',
        permission: 'project.read',
        summary: 'The contract of a dataset version.',
        params: DatasetParams,
        response: Contract,
        handle: async ({ project, params }) => data.loadContract(project, (await data.dataset(project, params.dataset)).meta),
      }),
      defineRoute({
        method: 'GET',
        path: '/v1/datasets/{dataset}/rows',
        permission: 'project.read',
        summary: 'Rows of a dataset version in their order, for a preview.',
        params: DatasetParams,
        query: RowsQuery,
        response: RowsPage,
        handle: async ({ project, params, query }) => data.readRows(project, (await data.dataset(project, params.dataset)).meta, query),
      }),
    ],
  };
}

/** Node's web streams can be iterated; anything else here is a mistake of the router. */
function byteStream(body: unknown): AsyncIterable<Uint8Array> {
  if (body !== null && typeof body === 'object' && Symbol.asyncIterator in body) return body as AsyncIterable<Uint8Array>;
  throw new InvalidError('The request has no body.', { help: 'Send the bytes of the file as the body.' });
}
