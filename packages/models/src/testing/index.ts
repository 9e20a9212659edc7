export { seededRandom, syntheticModel, type SyntheticModel, type SyntheticOptions } from './synthetic-model.ts';
export { heavyModel } from './heavy-model.ts';
