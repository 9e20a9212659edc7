import type { INamespace } from 'protobufjs/light.js';

const field = (id: number, type: string) => ({ id, type });
const list = (id: number, type: string) => ({ id, type, rule: 'repeated' });

/**
 * The ONNX messages as a protobufjs descriptor. Field numbers: `onnx/onnx.proto3` of ONNX 1.19 (IR version 12).
 * Enumerations travel as int32, which has the same wire form and keeps values we do not know.
 */
export const ONNX_DESCRIPTOR: INamespace = {
  nested: {
    ModelProto: {
      fields: {
        irVersion: field(1, 'int64'),
        producerName: field(2, 'string'),
        producerVersion: field(3, 'string'),
        domain: field(4, 'string'),
        modelVersion: field(5, 'int64'),
        docString: field(6, 'string'),
        graph: field(7, 'GraphProto'),
        opsetImport: list(8, 'OperatorSetIdProto'),
        metadataProps: list(14, 'StringStringEntryProto'),
        trainingInfo: list(20, 'TrainingInfoProto'),
        functions: list(25, 'FunctionProto'),
      },
    },
    OperatorSetIdProto: { fields: { domain: field(1, 'string'), version: field(2, 'int64') } },
    StringStringEntryProto: { fields: { key: field(1, 'string'), value: field(2, 'string') } },
    TrainingInfoProto: {
      fields: {
        initialization: field(1, 'GraphProto'),
        algorithm: field(2, 'GraphProto'),
        initializationBinding: list(3, 'StringStringEntryProto'),
        updateBinding: list(4, 'StringStringEntryProto'),
      },
    },
    FunctionProto: {
      fields: {
        name: field(1, 'string'),
        input: list(4, 'string'),
        output: list(5, 'string'),
        attribute: list(6, 'string'),
        node: list(7, 'NodeProto'),
        docString: field(8, 'string'),
        opsetImport: list(9, 'OperatorSetIdProto'),
        domain: field(10, 'string'),
        attributeProto: list(11, 'AttributeProto'),
        valueInfo: list(12, 'ValueInfoProto'),
        overload: field(13, 'string'),
        metadataProps: list(14, 'StringStringEntryProto'),
      },
    },
    GraphProto: {
      fields: {
        node: list(1, 'NodeProto'),
        name: field(2, 'string'),
        initializer: list(5, 'TensorProto'),
        docString: field(10, 'string'),
        input: list(11, 'ValueInfoProto'),
        output: list(12, 'ValueInfoProto'),
        valueInfo: list(13, 'ValueInfoProto'),
        quantizationAnnotation: list(14, 'TensorAnnotation'),
        sparseInitializer: list(15, 'SparseTensorProto'),
        metadataProps: list(16, 'StringStringEntryProto'),
      },
    },
    TensorAnnotation: {
      fields: { tensorName: field(1, 'string'), quantParameterTensorNames: list(2, 'StringStringEntryProto') },
    },
    NodeProto: {
      fields: {
        input: list(1, 'string'),
        output: list(2, 'string'),
        name: field(3, 'string'),
        opType: field(4, 'string'),
        attribute: list(5, 'AttributeProto'),
        docString: field(6, 'string'),
        domain: field(7, 'string'),
        overload: field(8, 'string'),
        metadataProps: list(9, 'StringStringEntryProto'),
      },
    },
    AttributeProto: {
      fields: {
        name: field(1, 'string'),
        f: field(2, 'float'),
        i: field(3, 'int64'),
        s: field(4, 'bytes'),
        t: field(5, 'TensorProto'),
        g: field(6, 'GraphProto'),
        floats: list(7, 'float'),
        ints: list(8, 'int64'),
        strings: list(9, 'bytes'),
        tensors: list(10, 'TensorProto'),
        graphs: list(11, 'GraphProto'),
        docString: field(13, 'string'),
        tp: field(14, 'TypeProto'),
        typeProtos: list(15, 'TypeProto'),
        type: field(20, 'int32'),
        refAttrName: field(21, 'string'),
        sparseTensor: field(22, 'SparseTensorProto'),
        sparseTensors: list(23, 'SparseTensorProto'),
      },
    },
    TensorProto: {
      fields: {
        dims: list(1, 'int64'),
        dataType: field(2, 'int32'),
        segment: field(3, 'Segment'),
        floatData: list(4, 'float'),
        int32Data: list(5, 'int32'),
        stringData: list(6, 'bytes'),
        int64Data: list(7, 'int64'),
        name: field(8, 'string'),
        rawData: field(9, 'bytes'),
        doubleData: list(10, 'double'),
        uint64Data: list(11, 'uint64'),
        docString: field(12, 'string'),
        externalData: list(13, 'StringStringEntryProto'),
        dataLocation: field(14, 'int32'),
        metadataProps: list(16, 'StringStringEntryProto'),
      },
      nested: { Segment: { fields: { begin: field(1, 'int64'), end: field(2, 'int64') } } },
    },
    SparseTensorProto: {
      fields: { values: field(1, 'TensorProto'), indices: field(2, 'TensorProto'), dims: list(3, 'int64') },
    },
    ValueInfoProto: {
      fields: {
        name: field(1, 'string'),
        type: field(2, 'TypeProto'),
        docString: field(3, 'string'),
        metadataProps: list(4, 'StringStringEntryProto'),
      },
    },
    TypeProto: {
      oneofs: { value: { oneof: ['tensorType', 'sequenceType', 'mapType', 'opaqueType', 'sparseTensorType', 'optionalType'] } },
      fields: {
        tensorType: field(1, 'Tensor'),
        sequenceType: field(4, 'Sequence'),
        mapType: field(5, 'Map'),
        denotation: field(6, 'string'),
        opaqueType: field(7, 'Opaque'),
        sparseTensorType: field(8, 'SparseTensor'),
        optionalType: field(9, 'Optional'),
      },
      nested: {
        Tensor: { fields: { elemType: field(1, 'int32'), shape: field(2, 'TensorShapeProto') } },
        Sequence: { fields: { elemType: field(1, 'TypeProto') } },
        Map: { fields: { keyType: field(1, 'int32'), valueType: field(2, 'TypeProto') } },
        Opaque: { fields: { domain: field(1, 'string'), name: field(2, 'string') } },
        SparseTensor: { fields: { elemType: field(1, 'int32'), shape: field(2, 'TensorShapeProto') } },
        Optional: { fields: { elemType: field(1, 'TypeProto') } },
      },
    },
    TensorShapeProto: {
      fields: { dim: list(1, 'Dimension') },
      nested: {
        Dimension: {
          oneofs: { value: { oneof: ['dimValue', 'dimParam'] } },
          fields: { dimValue: field(1, 'int64'), dimParam: field(2, 'string'), denotation: field(3, 'string') },
        },
      },
    },
  },
};

/** `TensorProto.DataType` numbers of the element types that Slipway writes and feeds. */
export const ELEMENT_TYPES = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
} as const;
export type ElementType = keyof typeof ELEMENT_TYPES;

const ELEMENT_NAMES = new Map<number, ElementType>(Object.entries(ELEMENT_TYPES).map(([name, code]) => [code, name as ElementType]));

/** The name of a `TensorProto.DataType` number; undefined for types we never feed (bfloat16, float8, ...). */
export function elementTypeName(code: number): ElementType | undefined {
  return ELEMENT_NAMES.get(code);
}

/** `AttributeProto.AttributeType` numbers. */
export const ATTRIBUTE_TYPES = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;
export type AttributeKind = keyof typeof ATTRIBUTE_TYPES;
