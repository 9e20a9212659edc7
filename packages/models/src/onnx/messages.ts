/**
 * A 64-bit integer as protobufjs decodes it: an object of two halves that prints as a decimal; plain numbers are accepted when
 * encoding. `integerOf` turns both into a number or, beyond 2^53, a bigint.
 */
export interface LongLike {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
  toString(): string;
}
export type Int64 = number | LongLike;

export interface StringEntry {
  key: string;
  value: string;
}

export interface TensorMessage {
  name?: string;
  dims: Int64[];
  dataType: number;
  floatData?: number[];
  int32Data?: number[];
  stringData?: Uint8Array[];
  int64Data?: Int64[];
  doubleData?: number[];
  uint64Data?: Int64[];
  rawData?: Uint8Array;
  externalData?: StringEntry[];
  dataLocation?: number;
}

export interface AttributeMessage {
  name: string;
  type: number;
  f?: number;
  i?: Int64;
  s?: Uint8Array;
  t?: TensorMessage | null;
  g?: GraphMessage | null;
  floats?: ArrayLike<number>;
  ints?: ArrayLike<Int64>;
  strings?: Uint8Array[];
  tensors?: TensorMessage[];
  graphs?: GraphMessage[];
  sparseTensor?: SparseTensorMessage | null;
  sparseTensors?: SparseTensorMessage[];
}

export interface SparseTensorMessage {
  values?: TensorMessage | null;
  indices?: TensorMessage | null;
}

export interface NodeMessage {
  input: string[];
  output: string[];
  name?: string;
  opType: string;
  domain?: string;
  attribute: AttributeMessage[];
}

export interface DimensionMessage {
  dimValue?: Int64;
  dimParam?: string;
  /** Set by protobufjs: which of the two is present. */
  value?: 'dimValue' | 'dimParam';
}

export interface TensorTypeMessage {
  elemType: number;
  shape?: { dim: DimensionMessage[] } | null;
}

export interface TypeMessage {
  tensorType?: TensorTypeMessage | null;
  sequenceType?: { elemType?: TypeMessage | null } | null;
  mapType?: { keyType: number; valueType?: TypeMessage | null } | null;
}

export interface ValueInfoMessage {
  name: string;
  type?: TypeMessage | null;
}

export interface GraphMessage {
  name?: string;
  node: NodeMessage[];
  initializer: TensorMessage[];
  input: ValueInfoMessage[];
  output: ValueInfoMessage[];
  valueInfo?: ValueInfoMessage[];
  sparseInitializer?: SparseTensorMessage[];
}

export interface OpsetMessage {
  domain?: string;
  version: Int64;
}

export interface FunctionMessage {
  name: string;
  domain?: string;
  node: NodeMessage[];
  opsetImport: OpsetMessage[];
}

/** An ONNX model in memory. Decoded repeated fields are always arrays; fields that the schema lacks are dropped. */
export interface ModelMessage {
  irVersion: Int64;
  producerName?: string;
  producerVersion?: string;
  graph: GraphMessage;
  opsetImport: OpsetMessage[];
  metadataProps?: StringEntry[];
  functions?: FunctionMessage[];
  trainingInfo?: unknown[];
}
