import type { PageDocument, PageSection, PageTable } from './document.ts';
import { escapeXml } from './svg.ts';

const SHORT_CELL_LENGTH = 24;

const STYLE = `:root{color-scheme:light dark;--ink:#1c2430;--dim:#5b6675;--paper:#fff;--panel:#f5f7fa;--line:#d9dfe7;--main:#1f6feb;--second:#d97706;--good:#1a7f4b;--bad:#c2321f}
@media(prefers-color-scheme:dark){:root{--ink:#e4e9f0;--dim:#9aa6b6;--paper:#12161c;--panel:#1a2029;--line:#2e3743;--main:#6ca8ff;--second:#f0a445;--good:#52c98a;--bad:#ff7a68}}
*{box-sizing:border-box}body{margin:0 auto;max-width:960px;padding:32px 20px 80px;font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;color:var(--ink);background:var(--paper)}
h1{font-size:28px;line-height:1.2;margin:0 0 12px}h2{font-size:20px;margin:40px 0 10px;padding-top:14px;border-top:1px solid var(--line)}p{margin:6px 0;overflow-wrap:anywhere}
nav{display:flex;flex-wrap:wrap;gap:4px 14px;margin:18px 0;font-size:14px}a{color:var(--main);text-decoration:none}a:hover{text-decoration:underline}
.facts{display:flex;flex-wrap:wrap;gap:10px;margin:18px 0}.facts div{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:10px 14px;min-width:120px}.facts b{display:block;font-size:20px;overflow-wrap:anywhere}.facts span{color:var(--dim);font-size:13px}
.scroll{overflow-x:auto;margin:10px 0}table{border-collapse:collapse;width:100%;font-size:14px}caption{text-align:left;color:var(--dim);padding:4px 0}th,td{text-align:left;padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}th{color:var(--dim);font-weight:600;white-space:nowrap}td{font-variant-numeric:tabular-nums;min-width:56px}
.short{white-space:nowrap}.passed{color:var(--good);font-weight:600}.failed{color:var(--bad);font-weight:600}
.plots{display:flex;flex-wrap:wrap;gap:18px}figure{margin:8px 0;max-width:100%}figcaption{color:var(--dim);font-size:13px;width:0;min-width:100%}svg{max-width:100%;height:auto;display:block}
svg text{font:11px system-ui,sans-serif;fill:var(--dim)}svg text.inverse{fill:var(--paper)}.grid{stroke:var(--line);stroke-width:1}.main,.second,.faint{fill:none;stroke:var(--main);stroke-width:2}.second{stroke:var(--second);stroke-dasharray:5 4}.faint{stroke:var(--dim);stroke-width:1;stroke-dasharray:3 4;opacity:.6}.dot{fill:var(--main)}.bar{fill:var(--main)}.bar.marked{fill:var(--second)}.right{fill:var(--main)}.wrong{fill:var(--bad)}.whisker{stroke:var(--ink);stroke-width:1.5}.reference{stroke:var(--bad);stroke-dasharray:4 3}
footer{margin-top:48px;color:var(--dim);font-size:13px}
@media(max-width:640px){td:not(.short){min-width:170px}}
@media print{body{max-width:none;padding:0;font-size:12px}nav{display:none}h2{break-after:avoid}figure,tr{break-inside:avoid}}`;

/** One file that opens offline: style and plots are inside, nothing is fetched and no script runs. */
export function renderHtml(page: PageDocument): string {
  const nav = page.sections.map((section) => `<a href="#${section.id}">${escapeXml(section.title)}</a>`).join('');
  const facts = page.facts.map(([name, value]) => `<div><b>${escapeXml(value)}</b><span>${escapeXml(name)}</span></div>`).join('');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeXml(page.title)}</title><style>${STYLE}</style></head>
<body><h1>${escapeXml(page.title)}</h1>${page.lead.map(paragraph).join('')}<div class="facts">${facts}</div><nav>${nav}</nav>
${page.sections.map(sectionHtml).join('\n')}
<footer>Made by Slipway from the recorded evidence; the JSON report has every number.</footer></body></html>
`;
}

function sectionHtml({ id, title, texts = [], tables = [], plots = [] }: PageSection): string {
  const figures = plots.map(({ svg, caption }) => `<figure>${svg}<figcaption>${escapeXml(caption)}</figcaption></figure>`).join('');
  return `<section id="${id}"><h2>${escapeXml(title)}</h2>${texts.map(paragraph).join('')}${figures === '' ? '' : `<div class="plots">${figures}</div>`}${tables.map(tableHtml).join('')}</section>`;
}

function tableHtml({ caption, head, rows }: PageTable): string {
  const cell = (text: string) => `<td${cellClass(text)}>${escapeXml(text)}</td>`;
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('');
  return `<div class="scroll"><table>${caption === undefined ? '' : `<caption>${escapeXml(caption)}</caption>`}<thead><tr>${head.map((text) => `<th>${escapeXml(text)}</th>`).join('')}</tr></thead><tbody>${body}</tbody></table></div>`;
}

/** Short cells stay on one line; long ones give way. */
function cellClass(text: string): string {
  if (text === 'passed' || text === 'failed') return ` class="${text} short"`;
  return text.length <= SHORT_CELL_LENGTH ? ' class="short"' : '';
}

function paragraph(text: string): string {
  return `<p>${escapeXml(text)}</p>`;
}
