/** One column the trainers see. */
export interface EncodedFeature {
  /** Unique within the model; the field's name, or `field.part` when a field gives several features. */
  readonly name: string;
  /** The contract's field it comes from. */
  readonly field: string;
  readonly kind: 'numeric' | 'categorical';
  /** Categorical: number of codes, with 0 = missing and 1 = other (rare or unseen). Numeric: 0. */
  readonly codeCount: number;
  /** The output whose margin this feature already is, such as a text's score of a class. */
  readonly output?: number;
}

/** What the trainers see: column-major float32, exactly the numbers the graph computes. NaN is missing (numeric only). */
export interface EncodedMatrix {
  readonly rowCount: number;
  readonly features: readonly EncodedFeature[];
  /** One array of rowCount values per feature. */
  readonly columns: readonly Float32Array[];
}

/** The rows at the given positions, in that order. */
export function takeMatrixRows(matrix: EncodedMatrix, positions: Int32Array): EncodedMatrix {
  const columns = matrix.columns.map((column) => {
    const taken = new Float32Array(positions.length);
    for (let i = 0; i < positions.length; i += 1) taken[i] = column[positions[i] as number] as number;
    return taken;
  });
  return { rowCount: positions.length, features: matrix.features, columns };
}

/** The values at the given positions, in that order. */
export function takeValues(values: Float64Array, positions: Int32Array): Float64Array {
  const taken = new Float64Array(positions.length);
  for (let i = 0; i < positions.length; i += 1) taken[i] = values[positions[i] as number] as number;
  return taken;
}
