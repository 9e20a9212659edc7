import { expect, test } from 'vitest';
import { buildReport, decideGates, defaultGates, evaluate } from '../index.ts';
import { renderHtml } from './render-html.ts';
import { renderPageMarkdown } from './render-page-markdown.ts';
import { type PageFacts, reportPage } from './report-page.ts';
import { linePlot } from './svg.ts';

const NASTY = `<script>alert('x')</script>&"`;

async function report() {
  const truth = Int32Array.from({ length: 200 }, (_, row) => row % 2);
  const probabilities = Float64Array.from({ length: 400 }, (_, at) => (truth[at >> 1] === at % 2 ? 0.7 : 0.3));
  const evaluation = await evaluate({
    task: 'binary',
    classes: ['no', 'yes'],
    positive: 'yes',
    truth,
    predictions: { probabilities },
    trainTruth: truth,
    seed: 1,
  });
  const gates = defaultGates('binary');
  const leakage = [
    {
      column: NASTY,
      kind: 'suspicious' as const,
      reason: 'too good',
      evidence: {},
      action: 'needs-acceptance' as const,
      rows: [{ row: 3, side: 'test' as const, values: { [NASTY]: NASTY } }],
    },
  ];
  const facts = { ...evaluation, parity: { maxError: 1e-7 }, leaks: leakage, acceptedLeaks: [], latency: { p95Ms: 0.4 } };
  return buildReport({
    evaluation,
    target: NASTY,
    classes: ['no', 'yes'],
    positive: 'yes',
    gates,
    gateResults: decideGates(gates, facts),
    leakage,
  });
}

const FACTS: PageFacts = {
  name: 'churn',
  number: 3,
  trainer: 'gbdt',
  leaderboard: [{ id: 'gbdt-1', trainer: 'gbdt', scores: { log_loss: 0.4 }, seconds: 2, latencyUs: 3, chosen: true }],
  reference: [
    {
      field: NASTY,
      count: 10,
      missing: 1,
      parts: [
        { from: 0, to: 1, share: 0.5 },
        { from: 1, to: 2, share: 0.5 },
      ],
      values: [],
    },
  ],
};

test('the page is one file: it runs no script, fetches nothing, and texts from data stay texts', async () => {
  const html = renderHtml(reportPage(await report(), FACTS));
  expect(html).not.toMatch(/<script|<img|<link|href="http|src=|@import|url\(/);
  expect(html).toContain("default-src 'none'");
  expect(html).toContain('&#60;script&#62;');
  for (const id of ['gates', 'metrics', 'leaks', 'curves', 'calibration', 'confusion', 'leaderboard', 'reference'])
    expect(html).toContain(`<section id="${id}">`);
  expect(html).not.toMatch(/NaN|Infinity|undefined/);
});

test('sections without facts are absent, and the same report is the same page', async () => {
  const page = reportPage(await report());
  expect(page.sections.map((section) => section.id)).not.toContain('fairness');
  expect(page.sections.map((section) => section.id)).not.toContain('leaderboard');
  expect(renderHtml(reportPage(await report()))).toBe(renderHtml(page));
});

test('Markdown has the same tables, and marks of data are escaped', async () => {
  const markdown = renderPageMarkdown(reportPage(await report(), FACTS));
  expect(markdown).toContain('| leakage | failed |');
  expect(markdown).not.toContain('<script>');
});

test('times are written as dates on axes, and numbers as numbers', () => {
  const day = (text: string) => Date.parse(text);
  const plot = (xIsTime: boolean) =>
    linePlot({
      title: 't',
      x: 'x',
      y: 'y',
      lines: [
        {
          points: [
            [day('2012-01-01'), 0],
            [day('2015-12-31'), 1],
          ],
        },
      ],
      xIsTime,
    });
  expect(plot(true)).toContain('>2012-');
  expect(plot(true)).not.toContain('e12<');
  expect(plot(false)).toContain('e12<');
  const hours = linePlot({
    title: 't',
    x: 'x',
    y: 'y',
    lines: [
      {
        points: [
          [day('2012-05-06T00:00Z'), 0],
          [day('2012-05-07T00:00Z'), 1],
        ],
      },
    ],
    xIsTime: true,
  });
  expect(hours).toMatch(/>05-06 \d\d:\d\d</);
  const absurd = linePlot({
    title: 't',
    x: 'x',
    y: 'y',
    lines: [
      {
        points: [
          [1e15, 0],
          [1e17, 1],
        ],
      },
    ],
    xIsTime: true,
  });
  expect(absurd, 'what is no date stays a number').toContain('e16<');
});
