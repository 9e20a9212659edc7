export { seededRandom, syntheticModel, type SyntheticModel, type SyntheticOptions } from './synthetic-model.ts';
export { heavyModel } from './heavy-model.ts';
export { FakeLane, fakeTimers } from './fake-lane.ts';
