/** Plots as inline SVG: no script, no font, no file; colours come from the page's custom properties, so both themes work. */
const WIDTH = 420;
const HEIGHT = 280;
const LEFT = 52;
const RIGHT = 12;
const TOP = 12;
const BOTTOM = 40;
const TICKS = 5;
const BAR_HEIGHT = 20;
const BAR_PLOT_WIDTH = 520;
const LABEL_WIDTH = 220;
const HEAT_LABEL_WIDTH = 112;
const LABEL_CHARACTERS = 36;

export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);
}

export interface Line {
  readonly points: readonly (readonly [number, number])[];
  readonly style?: 'main' | 'second' | 'faint' | 'dots';
}

export interface LinePlot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly lines: readonly Line[];
  /** The numbers of the horizontal axis are milliseconds since 1970. */
  readonly xIsTime?: boolean;
  readonly xRange?: readonly [number, number];
  readonly yRange?: readonly [number, number];
}

/** Lines and dots over two numeric axes. */
export function linePlot(plot: LinePlot): string {
  const all = plot.lines.flatMap((line) => line.points).filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  const [x0, x1] = plot.xRange ?? rangeOf(all.map(([x]) => x));
  const [y0, y1] = plot.yRange ?? rangeOf(all.map(([, y]) => y));
  const px = (x: number) => LEFT + ((x - x0) / (x1 - x0 || 1)) * (WIDTH - LEFT - RIGHT);
  const py = (y: number) => HEIGHT - BOTTOM - ((y - y0) / (y1 - y0 || 1)) * (HEIGHT - TOP - BOTTOM);
  const grid = marks(x0, x1, plot.xIsTime)
    .map(
      ([x, text]) =>
        `<line class="grid" x1="${at(px(x))}" x2="${at(px(x))}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/><text x="${at(px(x))}" y="${HEIGHT - BOTTOM + 15}" text-anchor="middle">${text}</text>`,
    )
    .concat(
      ticks(y0, y1).map(
        (y) =>
          `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(py(y))}" y2="${at(py(y))}"/><text x="${LEFT - 5}" y="${at(py(y) + 4)}" text-anchor="end">${label(y)}</text>`,
      ),
    );
  const drawn = plot.lines.map((line) => {
    const points = line.points
      .filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y))
      .map(([x, y]) => [at(px(x)), at(py(y))] as const);
    if (line.style === 'dots') return points.map(([x, y]) => `<circle class="dot" cx="${x}" cy="${y}" r="3"/>`).join('');
    return `<polyline class="${line.style ?? 'main'}" points="${points.map((point) => point.join(',')).join(' ')}"/>`;
  });
  const axes = `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${escapeXml(plot.x)}</text><text transform="translate(12 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escapeXml(plot.y)}</text>`;
  return frame(plot.title, WIDTH, HEIGHT, [...grid, ...drawn, axes].join(''));
}

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly low?: number | null;
  readonly high?: number | null;
  readonly mark?: boolean;
}

/** Horizontal bars from zero, with intervals where given; `line` is a vertical reference. */
export function barPlot(title: string, bars: readonly Bar[], line?: number): string {
  const ends = bars.flatMap((bar) => [bar.value, bar.low ?? bar.value, bar.high ?? bar.value]).concat(line ?? 0, 0);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const VALUE_WIDTH = 62;
  const px = (value: number) => LABEL_WIDTH + ((value - low) / (high - low || 1)) * (BAR_PLOT_WIDTH - LABEL_WIDTH - VALUE_WIDTH);
  const height = bars.length * BAR_HEIGHT + 12;
  const drawn = bars.map((bar, index) => {
    const y = 6 + index * BAR_HEIGHT;
    const [from, to] = [px(Math.min(0, bar.value)), px(Math.max(0, bar.value))];
    const whisker =
      bar.low === null || bar.low === undefined || bar.high === null || bar.high === undefined
        ? ''
        : `<line class="whisker" x1="${at(px(bar.low))}" x2="${at(px(bar.high))}" y1="${y + 9}" y2="${y + 9}"/>`;
    return `<text x="${LABEL_WIDTH - 6}" y="${y + 13}" text-anchor="end">${escapeXml(short(bar.label))}<title>${escapeXml(bar.label)}</title></text><rect class="${bar.mark ? 'bar marked' : 'bar'}" x="${at(from)}" y="${y + 2}" width="${at(Math.max(0.5, to - from))}" height="${BAR_HEIGHT - 6}"/>${whisker}<text x="${BAR_PLOT_WIDTH - 2}" y="${y + 13}" text-anchor="end">${label(bar.value)}</text>`;
  });
  const reference = line === undefined ? '' : `<line class="reference" x1="${at(px(line))}" x2="${at(px(line))}" y1="0" y2="${height}"/>`;
  return frame(title, BAR_PLOT_WIDTH, height, drawn.join('') + reference);
}

/** Counts as a grid, darker = more of its row. */
export function heatPlot(title: string, names: readonly string[], cells: readonly (readonly number[])[]): string {
  const size = Math.min(64, Math.max(18, 320 / names.length));
  const left = HEAT_LABEL_WIDTH;
  const width = left + names.length * size + 10;
  const height = 26 + names.length * size + 22;
  const drawn = cells.flatMap((row, truth) => {
    const total = row.reduce((sum, value) => sum + value, 0) || 1;
    return row.map((value, predicted) => {
      const [x, y] = [left + predicted * size, 26 + truth * size];
      const text =
        size >= 26
          ? `<text class="${value / total > 0.55 ? 'inverse' : ''}" x="${at(x + size / 2)}" y="${at(y + size / 2 + 4)}" text-anchor="middle">${label(value)}</text>`
          : '';
      return `<rect class="${truth === predicted ? 'right' : 'wrong'}" fill-opacity="${(0.06 + (0.94 * value) / total).toFixed(3)}" x="${at(x)}" y="${at(y)}" width="${at(size - 1)}" height="${at(size - 1)}"><title>${escapeXml(`${names[truth]} → ${names[predicted]}: ${value}`)}</title></rect>${text}`;
    });
  });
  const every = size >= 26 ? names : [];
  const rows = every.map(
    (name, index) =>
      `<text x="${left - 6}" y="${at(26 + index * size + size / 2 + 4)}" text-anchor="end">${escapeXml(short(name, 15))}</text>`,
  );
  const heads = every.map(
    (name, index) =>
      `<text x="${at(left + index * size + size / 2)}" y="18" text-anchor="middle">${escapeXml(short(name, Math.floor(size / 7)))}</text>`,
  );
  return frame(
    title,
    width,
    height,
    [
      ...drawn,
      ...rows,
      ...heads,
      `<text x="${at(left + (names.length * size) / 2)}" y="${height - 6}" text-anchor="middle">predicted</text>`,
    ].join(''),
  );
}

/** Bars that stand next to each other over a numeric axis. */
export function histogramPlot(
  title: string,
  parts: readonly { readonly from: number; readonly to: number; readonly share: number }[],
  x: string,
  xIsTime = false,
): string {
  const most = Math.max(...parts.map((part) => part.share), 1e-12);
  const [x0, x1] = [parts[0]?.from ?? 0, parts.at(-1)?.to ?? 1];
  const px = (value: number) => LEFT + ((value - x0) / (x1 - x0 || 1)) * (WIDTH - LEFT - RIGHT);
  const drawn = parts.map((part) => {
    const height = (part.share / most) * (HEIGHT - TOP - BOTTOM);
    return `<rect class="bar" x="${at(px(part.from))}" width="${at(Math.max(0.5, px(part.to) - px(part.from) - 1))}" y="${at(HEIGHT - BOTTOM - height)}" height="${at(height)}"/>`;
  });
  const axis = marks(x0, x1, xIsTime).map(
    ([value, text]) => `<text x="${at(px(value))}" y="${HEIGHT - BOTTOM + 15}" text-anchor="middle">${text}</text>`,
  );
  return frame(
    title,
    WIDTH,
    HEIGHT,
    `${drawn.join('')}${axis.join('')}<text x="${WIDTH / 2}" y="${HEIGHT - 6}" text-anchor="middle">${escapeXml(x)}</text>`,
  );
}

function frame(title: string, width: number, height: number, content: string): string {
  return `<svg role="img" viewBox="0 0 ${at(width)} ${at(height)}" width="${at(width)}" height="${at(height)}"><title>${escapeXml(title)}</title>${content}</svg>`;
}

function rangeOf(values: readonly number[]): [number, number] {
  if (values.length === 0) return [0, 1];
  const [low, high] = values.reduce(
    ([a, b], value) => [Math.min(a, value), Math.max(b, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  const pad = (high - low) * 0.04 || Math.abs(high) * 0.1 || 1;
  return [low - pad, high + pad];
}

/** Round numbers inside a range. */
function ticks(low: number, high: number): number[] {
  const raw = (high - low) / TICKS;
  if (!(raw > 0) || !Number.isFinite(raw)) return [low];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= raw * 0.999) ?? raw;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, index) => (first + index) * step).slice(0, 2 * TICKS + 2);
}

const TIME_MARKS = 4;
const SHORT_SPAN_MS = 3 * 86_400_000;
/** Beyond this there is no date (ECMAScript). */
const TIME_MS_MAX = 8.64e15;

/** Where a horizontal axis is marked, and with what: round numbers, or times at equal distances. */
function marks(low: number, high: number, isTime = false): (readonly [number, string])[] {
  if (!isTime || !(Math.abs(low) <= TIME_MS_MAX && Math.abs(high) <= TIME_MS_MAX))
    return ticks(low, high).map((value) => [value, label(value)]);
  return Array.from({ length: TIME_MARKS }, (_, index) => {
    const value = low + ((index + 0.5) / TIME_MARKS) * (high - low);
    const iso = new Date(value).toISOString();
    return [value, high - low > SHORT_SPAN_MS ? iso.slice(0, iso.indexOf('T')) : iso.slice(-19, -8).replace('T', ' ')];
  });
}

function at(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function label(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-3)) return value.toExponential(1).replace('e+', 'e');
  return String(Number(value.toPrecision(size >= 1e4 ? 5 : 4)));
}

function short(text: string, limit = LABEL_CHARACTERS): string {
  return text.length <= limit ? text : `${text.slice(0, Math.max(1, limit - 1))}…`;
}
