// The part of the ONNX file format that is written here: messages, fields and field numbers of onnx.proto (IR version 10), a file of
// proto2: a field that is given is written, whatever its value, and lists are not packed.

/** Message -> field -> [type, field number, 'repeated' where it is a list]. */
export const onnxSchema = {
  ModelProto: {
    ir_version: ['int64', 1],
    producer_name: ['string', 2],
    producer_version: ['string', 3],
    model_version: ['int64', 5],
    doc_string: ['string', 6],
    graph: ['GraphProto', 7],
    opset_import: ['OperatorSetIdProto', 8, 'repeated'],
    metadata_props: ['StringStringEntryProto', 14, 'repeated'],
  },
  StringStringEntryProto: { key: ['string', 1], value: ['string', 2] },
  OperatorSetIdProto: { domain: ['string', 1], version: ['int64', 2] },
  GraphProto: {
    node: ['NodeProto', 1, 'repeated'],
    name: ['string', 2],
    initializer: ['TensorProto', 5, 'repeated'],
    input: ['ValueInfoProto', 11, 'repeated'],
    output: ['ValueInfoProto', 12, 'repeated'],
    value_info: ['ValueInfoProto', 13, 'repeated'],
  },
  NodeProto: {
    input: ['string', 1, 'repeated'],
    output: ['string', 2, 'repeated'],
    name: ['string', 3],
    op_type: ['string', 4],
    attribute: ['AttributeProto', 5, 'repeated'],
    domain: ['string', 7],
  },
  AttributeProto: {
    name: ['string', 1],
    f: ['float', 2],
    i: ['int64', 3],
    s: ['bytes', 4],
    floats: ['float', 7, 'repeated'],
    ints: ['int64', 8, 'repeated'],
    type: ['int32', 20],
  },
  TensorProto: {
    dims: ['int64', 1, 'repeated'],
    data_type: ['int32', 2],
    name: ['string', 8],
    raw_data: ['bytes', 9],
    external_data: ['StringStringEntryProto', 13, 'repeated'],
    data_location: ['int32', 14],
  },
  ValueInfoProto: { name: ['string', 1], type: ['TypeProto', 2] },
  TypeProto: { tensor_type: ['TensorTypeProto', 1] },
  TensorTypeProto: { elem_type: ['int32', 1], shape: ['TensorShapeProto', 2] },
  TensorShapeProto: { dim: ['DimensionProto', 1, 'repeated'] },
  DimensionProto: { dim_value: ['int64', 1], dim_param: ['string', 2] },
} as const satisfies Record<string, Record<string, readonly [string, number, 'repeated'?]>>;

/** AttributeProto.type. */
export const attributeType = { float: 1, int: 2, string: 3, ints: 7 } as const;

/** TensorProto.data_type. */
export const elementType = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9, float16: 10 } as const;
