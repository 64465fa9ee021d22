// Nothing leaves the machine. By itself ONNX Runtime keeps a device id and a queue of events in the user's folders and sends them to its
// vendor; one variable of the environment prevents all of it, and only if it is there before the library is loaded.

export const quietEnvironment: Readonly<Record<string, string>> = { ORT_DISABLE_TELEMETRY: '1' };
