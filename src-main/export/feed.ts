/** Images [batch,C,H,W], pixels [batch,H,W,C] or tokens [batch,T], row-major. */
export interface Feed {
  data: Float32Array | Uint8Array | BigInt64Array;
  shape: readonly number[];
}
