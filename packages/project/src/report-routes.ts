import { type PageDocument, renderHtml, renderPageMarkdown } from '@slipway/evaluation';
import { EvaluationReport } from '@slipway/evaluation/contract';
import { JsonShape, RawReply, type Route, defineRoute } from '@slipway/kernel';
import { z } from 'zod';
import { cardDocument, findReport, loadReport, reportDocument } from './evidence/report-pages.ts';
import type { LaunchDeps } from './launch-deps.ts';

/** Reports and cards over HTTP: as JSON, as Markdown, and as one self-contained HTML page. */
export function reportRoutes(deps: LaunchDeps): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/reports/{report}',
      permission: 'project.read',
      summary:
        'An evaluation report by its id, its version or its name (the newest): JSON, format=markdown, or format=html (one page that opens offline).',
      params: z.object({ report: z.string() }),
      query: z.object({ format: z.enum(['json', 'markdown', 'html']).default('json') }),
      response: EvaluationReport,
      async handle({ project, params, query }) {
        const found = await findReport(deps, project, params.report);
        if (query.format === 'json') return loadReport(deps, project, found);
        return textReply(await reportDocument(deps, project, found), query.format);
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/versions/{version}/card',
      permission: 'project.read',
      summary: 'The card of a model or dataset version, made from recorded facts: JSON, format=markdown or format=html.',
      params: z.object({ version: z.string() }),
      query: z.object({ format: z.enum(['json', 'markdown', 'html']).default('json') }),
      response: JsonShape,
      async handle({ project, params, query }) {
        const page = await cardDocument(deps, project, params.version);
        // Plots are for eyes; the JSON of a card is its texts and tables.
        if (query.format === 'json')
          return JSON.parse(JSON.stringify({ ...page, sections: page.sections.map((section) => ({ ...section, plots: undefined })) }));
        return textReply(page, query.format);
      },
    }),
  ];
}

function textReply(page: PageDocument, format: 'markdown' | 'html'): RawReply {
  const [text, contentType] =
    format === 'html' ? [renderHtml(page), 'text/html; charset=utf-8'] : [renderPageMarkdown(page), 'text/markdown; charset=utf-8'];
  return new RawReply(new TextEncoder().encode(text), { contentType });
}
