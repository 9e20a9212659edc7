export { seededRandom, syntheticModel, type SyntheticModel, type SyntheticOptions } from './synthetic-model.ts';
