export { noise, objectsRules, type ObjectsRule } from './conformance.ts';
export { traversalCorpus } from './traversal-corpus.ts';
