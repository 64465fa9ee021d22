// The one place that loads onnxruntime-node, on first use and with its telemetry off.

import type * as Runtime from 'onnxruntime-node';
import { quietEnvironment } from '../contract/quiet.ts';

export type { InferenceSession, Tensor } from 'onnxruntime-node';

export async function onnxRuntime(): Promise<typeof Runtime> {
  Object.assign(process.env, quietEnvironment);
  return await import('onnxruntime-node');
}
