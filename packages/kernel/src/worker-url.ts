/**
 * Where a worker's entry file lies next to the module that starts it: the TypeScript source in the repository, the
 * bundled file in the published package (which has `name.js` beside its one bundle).
 * @param moduleUrl the caller's `import.meta.url`.
 */
export function workerUrl(name: string, moduleUrl: string): URL {
  return new URL(moduleUrl.endsWith('.ts') ? `./${name}.ts` : `./${name}.js`, moduleUrl);
}
