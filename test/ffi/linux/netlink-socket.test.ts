import assert from "node:assert/strict";
import { test } from "node:test";
import { SyscallError } from "../../../src/ffi/errno.ts";
import { decodeMessages, encodeMessage, type Message } from "../../../src/ffi/linux/netlink/message.ts";
import { NetlinkSocket, type Request } from "../../../src/ffi/linux/netlink/socket.ts";
import type { NetlinkTransport } from "../../../src/ffi/linux/netlink/transport.ts";

const [ERROR, DONE, LINK] = [2, 3, 16];
const DUMP_INTR = 0x10;

/** A kernel that answers each send by `answer`, and records what it was sent. */
class ScriptedKernel implements NetlinkTransport {
  readonly batchLength: number;
  readonly sent: Message[][] = [];
  readonly #answer: (messages: readonly Message[], round: number) => readonly Buffer[];
  readonly #queue: Buffer[] = [];
  disposed = false;

  constructor(batchLength: number, answer: (messages: readonly Message[], round: number) => readonly Buffer[]) {
    this.batchLength = batchLength;
    this.#answer = answer;
  }

  send(data: Buffer): void {
    const messages = decodeMessages(data);
    this.sent.push(messages);
    this.#queue.push(...this.#answer(messages, this.sent.length));
  }

  receive(): Buffer {
    const next = this.#queue.shift();
    if (next === undefined) throw new Error("the queue is empty");
    return next;
  }

  [Symbol.dispose](): void {
    this.disposed = true;
  }
}

function status(sequence: number, errno: number): Buffer {
  const body = Buffer.alloc(20);
  body.writeInt32LE(-errno);
  return encodeMessage(ERROR, 0, sequence, body);
}

function done(sequence: number, errno = 0): Buffer {
  const body = Buffer.alloc(4);
  body.writeInt32LE(-errno);
  return encodeMessage(DONE, 2, sequence, body);
}

function request(object: string, size = 8): Request {
  return { call: "RTM_TEST", object, type: LINK, flags: 0, body: Buffer.alloc(size) };
}

const last = (messages: readonly Message[]): number => messages.at(-1)?.sequence ?? 0;
const hasAckFlag = ({ flags }: Message): boolean => (flags & 0x04) !== 0;

test("only the last message of a batch asks for an ACK; an error before it belongs to its own request", () => {
  const kernel = new ScriptedKernel(100, (messages) => [
    status(messages[1]?.sequence ?? 0, 17),
    status(last(messages), 0),
  ]);
  const outcomes = new NetlinkSocket(kernel).batch([request("a"), request("b"), request("c")]);
  assert.deepEqual(kernel.sent[0]?.map(hasAckFlag), [false, false, true]);
  assert.deepEqual(
    outcomes.map(({ error }) => error?.message),
    [undefined, "RTM_TEST b: EEXIST (File exists)", undefined],
  );
});

test("the error of the last message ends the batch as its ACK would", () => {
  const kernel = new ScriptedKernel(100, (messages) => [status(last(messages), 99)]);
  const outcomes = new NetlinkSocket(kernel).batch([request("a"), request("b")]);
  assert.deepEqual(
    outcomes.map(({ error }) => error?.code),
    [undefined, "EADDRNOTAVAIL"],
  );
});

test("a batch is cut to what the receive buffer can answer and the send buffer can take", () => {
  const acknowledge = (messages: readonly Message[]) => [status(last(messages), 0)];
  const short = new ScriptedKernel(2, acknowledge);
  const five = ["a", "b", "c", "d", "e"].map((name) => request(name));
  assert.equal(new NetlinkSocket(short).batch(five).length, 5);
  assert.deepEqual(
    short.sent.map((messages) => messages.length),
    [2, 2, 1],
  );
  const heavy = new ScriptedKernel(100, acknowledge);
  const large = ["a", "b", "c"].map((name) => request(name, 30_000));
  new NetlinkSocket(heavy).batch(large);
  assert.deepEqual(
    heavy.sent.map((messages) => messages.length),
    [2, 1],
  );
  const silent = new ScriptedKernel(100, () => []);
  assert.deepEqual(new NetlinkSocket(silent).batch([]), []);
  assert.deepEqual(silent.sent, []);
});

test("answers to other requests are passed over", () => {
  const kernel = new ScriptedKernel(100, (messages) => [
    status(last(messages) + 1000, 1),
    Buffer.concat([encodeMessage(LINK, 0, last(messages), Buffer.from("mine")), status(last(messages), 0)]),
  ]);
  const replies = new NetlinkSocket(kernel).request(request("a"));
  assert.deepEqual(
    replies.map(({ body }) => body.toString()),
    ["mine"],
  );
});

test("a dump is read to its end over many datagrams", () => {
  const kernel = new ScriptedKernel(100, (messages) => [
    encodeMessage(LINK, 2, last(messages), Buffer.from("one ")),
    encodeMessage(LINK, 2, last(messages), Buffer.from("two ")),
    done(last(messages)),
  ]);
  const found = new NetlinkSocket(kernel).dump(request("all"));
  assert.deepEqual(
    found.map(({ body }) => body.toString()),
    ["one ", "two "],
  );
});

test("a dump that was interrupted is taken again, and given up when it never holds still", () => {
  const dumped = (flags: number, text: string, messages: readonly Message[]) => [
    encodeMessage(LINK, 2, last(messages), Buffer.from("part")),
    encodeMessage(LINK, 2 | flags, last(messages), Buffer.from(text)),
    done(last(messages)),
  ];
  const calming = new ScriptedKernel(100, (messages, round) =>
    round < 3 ? dumped(DUMP_INTR, "torn", messages) : dumped(0, "good", messages),
  );
  const found = new NetlinkSocket(calming).dump(request("all"));
  assert.deepEqual(
    found.map(({ body }) => body.toString()),
    ["part", "good"],
  );
  assert.equal(calming.sent.length, 3);
  const restless = new ScriptedKernel(100, (messages) => dumped(DUMP_INTR, "torn", messages));
  assert.throws(
    () => new NetlinkSocket(restless).dump(request("all")),
    (error) => error instanceof SyscallError && error.code === "EAGAIN" && /kept changing/.test(error.message),
  );
});

test("a dump that fails does so with its object, at the start or at the end", () => {
  for (const end of [status, done]) {
    const kernel = new ScriptedKernel(100, (messages) => [end(last(messages), 95)]);
    assert.throws(() => new NetlinkSocket(kernel).dump(request("all")), /^SyscallError: RTM_TEST all: EOPNOTSUPP/);
  }
});

test("disposing closes the transport", () => {
  const kernel = new ScriptedKernel(1, () => []);
  new NetlinkSocket(kernel)[Symbol.dispose]();
  assert.equal(kernel.disposed, true);
});
