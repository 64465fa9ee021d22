/** The ONNX file of a graph that gives twice its input, float32 [1]: one node that every provider has. */
export const probeGraph: Uint8Array = Buffer.from(
  'CAoSB3NkcC1sYWI6XwoeCgF4Cgpjb25zdGFudF8wEgF5GgVNdWwjMCIDTXVsEgVwcm9iZSoUEAFCCmNvbnN0YW50XzBK' +
    'BAAAAEBaDwoBeBIKCggIARIECgIIAWIPCgF5EgoKCAgBEgQKAggBQgQKABAS',
  'base64',
);
