import { InvalidError, ServingSettings, nearestName } from '@slipway/kernel';

const NAMES = Object.keys(ServingSettings.shape);

/** `threads=2,lanes=2,lane=worker` of a launch. @throws {InvalidError} naming the setting. */
export function servingOf(text: string | undefined): ServingSettings | undefined {
  if (text === undefined) return undefined;
  const given: Record<string, unknown> = {};
  for (const part of text.split(',').map((each) => each.trim())) {
    const [name = '', value = ''] = part.split('=');
    if (!NAMES.includes(name)) {
      const near = nearestName(name, NAMES);
      throw new InvalidError(`--serving has no setting "${name}"${near === undefined ? '' : `; did you mean "${near}"?`}`, {
        help: `--serving name=value,… with: ${NAMES.join(', ')}`,
      });
    }
    given[name] = valueOf(value);
  }
  const parsed = ServingSettings.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new InvalidError(`--serving: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}.`, {
    help: 'slipway launch --help',
  });
}

function valueOf(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true';
  return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}
