import { GateDefinition } from '@slipway/project/contract';
import { InvalidError } from '@slipway/kernel';
import { parseList } from './options.ts';

interface ConductFlags {
  readonly fair?: string;
  readonly robust?: string | boolean;
}

/** Columns that --fair is about are sensitive whether they are named so or not. */
export function fairColumns({ fair }: ConductFlags): string[] {
  return parseList(fair).flatMap((part) => splitBound('--fair', part).name.split('+'));
}

/** The gates that --fair and --robust mean; undefined for none. @throws {InvalidError} naming the flag. */
export function conductGates({ fair, robust }: ConductFlags): GateDefinition[] | undefined {
  const gates: unknown[] = parseList(fair).map((part) => {
    const { name, bound } = splitBound('--fair', part);
    return { kind: 'fairness', column: name, measure: 'demographic_parity_ratio', atLeast: bound };
  });
  if (robust === true) gates.push({ kind: 'robustness' });
  else if (typeof robust === 'string') gates.push(...parseList(robust).map(robustnessGate));
  return gates.length === 0 ? undefined : gates.map(parseGate);
}

function robustnessGate(part: string): unknown {
  if (!part.includes('=')) return { kind: 'robustness', test: part };
  const { name, bound } = splitBound('--robust', part);
  return { kind: 'robustness', test: name, atMost: bound };
}

function splitBound(flag: string, part: string): { name: string; bound: number } {
  const at = part.lastIndexOf('=');
  const bound = Number(part.slice(at + 1));
  if (at < 1 || part.slice(at + 1).trim() === '' || !Number.isFinite(bound) || bound < 0 || bound > 1)
    throw new InvalidError(`${flag} wants name=share with a share from 0 to 1, got "${part}".`, {
      help: `For example ${flag} ${flag === '--fair' ? 'sex=0.8' : 'typo=0.05'}`,
    });
  return { name: part.slice(0, at), bound };
}

function parseGate(gate: unknown): GateDefinition {
  const parsed = GateDefinition.safeParse(gate);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new InvalidError(`--robust: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}.`, {
    help: 'slipway launch --help',
  });
}
