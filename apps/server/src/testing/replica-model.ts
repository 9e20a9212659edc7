import { syntheticModel } from '@slipway/models/testing';

/** The model that replicas of the tests release: of each seed another one. */
export const replicaModel = (seed: number) => syntheticModel({ numeric: 3, categorical: 0, trees: 5, depth: 3, seed });
