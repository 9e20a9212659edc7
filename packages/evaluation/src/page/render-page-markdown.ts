import type { PageDocument, PageSection, PageTable } from './document.ts';

/** The same content without the plots. Marks in texts from data are escaped. */
export function renderPageMarkdown(page: PageDocument): string {
  const facts = page.facts.map(([name, value]) => `- ${escape(name)}: ${escape(value)}`).join('\n');
  const parts = [`# ${escape(page.title)}`, ...page.lead.map(escape), facts, ...page.sections.map(sectionMarkdown)];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** One section under its heading. */
export function sectionMarkdown({ title, texts = [], tables = [] }: PageSection): string {
  return [`## ${escape(title)}`, ...texts.map(escape), ...tables.map(table)].join('\n\n');
}

function table({ caption, head, rows }: PageTable): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escape).join(' | ')} |`;
  return [
    ...(caption === undefined ? [] : [escape(caption), '']),
    line(head),
    `| ${head.map(() => '---').join(' | ')} |`,
    ...rows.map(line),
  ].join('\n');
}

function escape(text: string): string {
  return text.replace(/[\r\n]+/g, ' ').replace(/[\\|<>*`[\]]/g, (mark) => `\\${mark}`);
}
