/** Commands whose process answers calls. */
const SERVING = new Set(['up', 'quickstart']);
const FLAG = '--max-semi-space-size';
/**
 * Megabytes of each half of the young generation. With the default of 16 a server under load collects so often that calls in
 * flight are still alive and are copied: 32 took a quarter off the processor time of a call (`bench/predict-http.ts`, 2026-11);
 * 64 brought nothing more.
 */
const SEMI_SPACE_MB = 32;

/**
 * The Node flags with which a command should run again, or undefined when it runs as it should: the young generation can only
 * be sized when a process starts. @param nodeFlags those it was started with.
 */
export function servingFlags(args: readonly string[], nodeFlags: readonly string[]): readonly string[] | undefined {
  if (!args.some((arg) => SERVING.has(arg))) return undefined;
  if (nodeFlags.some((flag) => flag.replaceAll('_', '-').includes(FLAG))) return undefined;
  return [`${FLAG}=${SEMI_SPACE_MB}`, ...nodeFlags];
}

/** Becomes the same command with the flags of a server: same process id, same streams. Returns where that is not to be had. */
export function becomeServer(args: readonly string[]): void {
  const { NODE_OPTIONS = '' } = process.env;
  const flags = servingFlags(args, [...process.execArgv, ...NODE_OPTIONS.split(' ').filter(Boolean)]);
  // Windows has no such call.
  if (flags === undefined || process.execve === undefined || process.platform === 'win32') return;
  const own = flags.slice(0, 1 + process.execArgv.length);
  process.execve(process.execPath, [process.execPath, ...own, ...process.argv.slice(1)], process.env);
}
