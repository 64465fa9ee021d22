import { expect, onTestFinished, test, vi } from 'vitest';
import type { CommandRecord, EventRecord } from '../contract/rpc.ts';
import { connect } from './client.ts';
import { EventHub } from './events.ts';
import { memoryPair } from './memory.ts';
import { serve } from './server.ts';
import { handlers, testContract, type TestEvents } from './testContract.ts';

async function connected() {
  const [near, far] = memoryPair();
  const hub = new EventHub<TestEvents>();
  const reportBug = vi.fn((error: unknown) => `${(error as Error).message}, as is logged`);
  serve(far, testContract, handlers, hub, { reportBug });
  const client = await connect(near, testContract);
  onTestFinished(() => client.close());
  return { client, hub, reportBug, near, far };
}

/** Messages of a peer that speaks the protocol by hand. */
function rawClient(...messages: unknown[]) {
  const [near, far] = memoryPair();
  const signals: AbortSignal[] = [];
  const wait: typeof handlers.wait = (params, context) => {
    signals.push(context.signal);
    return handlers.wait(params, context);
  };
  serve(far, testContract, { ...handlers, wait }, new EventHub<TestEvents>());
  const answers: unknown[] = [];
  const closed = new Promise((resolve) => near.onClose(() => resolve('closed')));
  near.onMessage((message) => answers.push(message));
  for (const message of messages) near.send(message);
  return { near, answers, closed, signals };
}

const hello = { type: 'hello', version: 'test 1' };

test('a call returns the result of its handler', async () => {
  const { client } = await connected();
  expect(await Promise.all([1, 2, 3].map((value) => client.call.double({ value })))).toEqual([2, 4, 6]);
});

test('a user error arrives with its code, message and key', async () => {
  const { client, reportBug } = await connected();
  await expect(client.call.refuse({})).rejects.toMatchObject({
    name: 'UserError',
    code: 'data',
    message: 'the file is truncated',
    key: 'labels.gz',
  });
  expect(reportBug).not.toHaveBeenCalled();
});

test('an unexpected exception is reported at the server with its stack, and arrives as internal with what that says', async () => {
  const { client, reportBug } = await connected();
  const message = 'impossible shape [0], as is logged';
  await expect(client.call.crash({})).rejects.toMatchObject({ code: 'internal', message });
  expect(reportBug).toHaveBeenCalledExactlyOnceWith(
    expect.objectContaining({ stack: expect.stringContaining('crash') as string }),
  );
});

test('parameters that do not fit the schema are refused with the command and key named', async () => {
  const { client } = await connected();
  await expect(client.call.double({ value: 'two' as unknown as number })).rejects.toMatchObject({
    code: 'usage',
    message: 'double: value: Invalid input: expected number, received string',
    key: 'value',
  });
});

test('a command that the server does not have is refused, names of Object.prototype too', async () => {
  const [near, far] = memoryPair();
  serve(far, testContract, handlers, new EventHub<TestEvents>());
  const wider = { ...testContract.commands, toString: testContract.commands.wait, more: testContract.commands.wait };
  const client = await connect(near, { ...testContract, commands: wider });
  await expect(client.call.more({})).rejects.toMatchObject({ code: 'usage', message: 'there is no command "more"' });
  await expect(client.call.toString({})).rejects.toMatchObject({ code: 'usage' });
});

test('an aborted call is cancelled at once and its handler is told', async () => {
  const { near, signals, answers } = rawClient(hello, { type: 'call', id: 0, command: 'wait', params: {} });
  near.send({ type: 'cancel', id: 0 });
  await vi.waitFor(() => expect(answers).toHaveLength(2));
  expect(signals[0]!.aborted).toBe(true);
  expect(answers[1]).toMatchObject({ type: 'failure', id: 0, error: { code: 'cancelled' } });

  const { client } = await connected();
  const controller = new AbortController();
  const waiting = client.call.wait({}, { signal: controller.signal });
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  await expect(client.call.wait({}, { signal: controller.signal })).rejects.toMatchObject({ code: 'cancelled' });
  expect(await client.call.double({ value: 4 })).toBe(8);
});

test('a close settles every call as disconnected and fires the signals of the handlers', async () => {
  for (const side of ['near', 'far'] as const) {
    const { client, ...ends } = await connected();
    const calls = [client.call.wait({}), client.call.wait({})];
    const closed = new Promise((resolve) => client.onClose(() => resolve('told')));
    ends[side].close();
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'disconnected' });
    await expect(client.call.double({ value: 1 })).rejects.toMatchObject({ code: 'disconnected' });
    expect(await closed).toBe('told');
  }
  const { near, signals } = rawClient(hello, { type: 'call', id: 0, command: 'wait', params: {} });
  await vi.waitFor(() => expect(signals).toHaveLength(1));
  near.close();
  await vi.waitFor(() => expect(signals[0]!.aborted).toBe(true));
});

test('events carry the numbers of their hub and end with the subscription or the connection', async () => {
  const { client, hub } = await connected();
  const seen: unknown[] = [];
  const off = client.on('counted', (payload, sequence) => seen.push([payload.count, sequence]));
  hub.emit('counted', { count: 10 });
  hub.emit('counted', { count: 11 });
  await vi.waitFor(() => expect(seen).toHaveLength(2));
  off();
  hub.emit('counted', { count: 12 });
  await client.call.double({ value: 1 });
  client.close();
  hub.emit('counted', { count: 13 });
  expect(seen).toEqual([
    [10, 1],
    [11, 2],
  ]);
  expect(hub.sequence).toBe(4);
});

test('periodic events come together, and before an answer that is given after them', async () => {
  const [near, far] = memoryPair();
  const hub = new EventHub<TestEvents>();
  serve(far, testContract, handlers, hub, { timing: () => 'periodic' });
  const messages: unknown[] = [];
  near.onMessage((message) => messages.push(message));
  onTestFinished(() => near.close());
  near.send(hello);
  await vi.waitFor(() => expect(messages).toHaveLength(1));
  hub.emit('counted', { count: 10 });
  hub.emit('counted', { count: 11 });
  near.send({ type: 'call', id: 0, command: 'double', params: { value: 1 } });
  await vi.waitFor(() => expect(messages).toHaveLength(3));
  const events = [10, 11].map((count, index) => ({ name: 'counted', sequence: index + 1, payload: { count } }));
  expect(messages.slice(1)).toEqual([
    { type: 'events', events },
    { type: 'reply', id: 0, result: 2 },
  ]);
});

test('different versions refuse each other', async () => {
  const [near, far] = memoryPair();
  serve(far, testContract, handlers, new EventHub<TestEvents>());
  await expect(connect(near, { ...testContract, version: 'test 2' })).rejects.toMatchObject({
    code: 'conflict',
    message: 'this side speaks test 2, the other test 1; restart the app and reload the page',
  });
});

test('a handshake fails as disconnected where the peer has closed or stays silent', async () => {
  const [near, far] = memoryPair();
  far.close();
  await expect(connect(near, testContract)).rejects.toMatchObject({ code: 'disconnected' });
  const [other] = memoryPair();
  await expect(connect(other, testContract, { timeoutMs: 10 })).rejects.toMatchObject({
    code: 'disconnected',
    message: 'the other side did not answer within 0.01 s; the machine may be very busy, try again',
  });
});

test('parameters that cannot be cloned reject the call', async () => {
  const { client } = await connected();
  const value = (() => 1) as unknown as number;
  await expect(client.call.double({ value })).rejects.toThrow(/could not be cloned/);
});

const invalid: [string, unknown[]][] = [
  ['text', [hello, 'wait']],
  ['null', [hello, null]],
  ['an unknown type', [hello, { type: 'shutdown' }]],
  ['a call without a command', [hello, { type: 'call', id: 1 }]],
  ['an id that is not a number', [hello, { type: 'call', id: 'one', command: 'wait', params: {} }]],
  ['an extra key', [hello, { type: 'cancel', id: 1, more: true }]],
  ['a call before the handshake', [{ type: 'call', id: 1, command: 'double', params: { value: 1 } }]],
  ['a second handshake', [hello, hello]],
  ['an id in use', [hello, ...[1, 1].map((id) => ({ type: 'call', id, command: 'wait', params: {} }))]],
];

test.each(invalid)('a server closes the connection on %s', async (_, messages) => {
  const { closed } = rawClient(...messages);
  expect(await closed).toBe('closed');
});

test('a client closes the connection on a message that is not of the protocol', async () => {
  const { client, far } = await connected();
  const waiting = client.call.wait({});
  far.send({ type: 'reply', id: 'zero' });
  await expect(waiting).rejects.toMatchObject({ code: 'disconnected' });
});

test('a handler that is missing or extra is a type error', () => {
  const hub = new EventHub<EventRecord>();
  const contract = { commands: { one: testContract.commands.wait }, events: {}, version: '' };
  const empty = () =>
    serve<typeof contract.commands, EventRecord>(
      memoryPair()[0],
      contract,
      // @ts-expect-error: `one` is missing
      {},
      hub,
    );
  expect(empty).not.toThrow();
  expect({} satisfies CommandRecord).toEqual({});
});

test('parameters that are nested without end are refused, and are no bug', async () => {
  const { client, reportBug } = await connected();
  const deep = JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) as number;
  await expect(client.call.double({ value: deep })).rejects.toMatchObject({
    code: 'usage',
    message: 'double: value.0.0.0... is nested more than 64 levels deep',
  });
  expect(reportBug).not.toHaveBeenCalled();
});
