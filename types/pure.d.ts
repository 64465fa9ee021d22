// The few globals that every runtime of the app has (Node, Electron, browsers), for the pure layers, which are compiled with the types of none.

interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
}

declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
}
