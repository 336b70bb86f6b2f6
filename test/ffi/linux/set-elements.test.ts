import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, test } from "node:test";
import { decodeMessages, encodeMessage } from "../../../src/ffi/linux/netlink/message.ts";
import { NetlinkSocket, openNetfilter } from "../../../src/ffi/linux/netlink/socket.ts";
import { changeElements } from "../../../src/ffi/linux/set-elements.ts";
import { before, needs } from "../../support/gate.ts";
import { bytesOf, rowsOf } from "../../support/hex.ts";
import { enterNetworkNamespace } from "../../support/namespaces.ts";

const key = Buffer.from("0600 0000 1f90 0000".replaceAll(" ", ""), "hex");
const data = Buffer.from("0a020301 0050 0000".replaceAll(" ", ""), "hex");

/** What is sent for a change, as messages. */
function sentFor(verb: "add" | "delete"): Buffer[] {
  let sent = Buffer.alloc(0);
  const socket = new NetlinkSocket({
    batchLength: 1,
    send: (bytes) => {
      sent = Buffer.from(bytes);
    },
    // NLMSG_ERROR of sequence 2, errno 0: the ACK of the one request.
    receive: () => encodeMessage(2, 0, 2, Buffer.alloc(20)),
    [Symbol.dispose]() {},
  });
  changeElements(socket, "klee", [{ verb, set: "anywhere4", elements: [{ key, data }] }]);
  return decodeMessages(sent).map(({ type, flags, sequence, body }) => encodeMessage(type, flags, sequence, body));
}

// The bytes are those that nft 1.0.6 sends, seen by strace; its ACK is another's, and it names the set by number, too.
const begin = `14 00 00 00 10 00 01 00 01 00 00 00 00 00 00 00  nlmsghdr NFNL_MSG_BATCH_BEGIN REQUEST
               00 00 00 0a                                      nfgenmsg res_id NFNL_SUBSYS_NFTABLES`;
const end = `14 00 00 00 11 00 01 00 03 00 00 00 00 00 00 00  nlmsghdr NFNL_MSG_BATCH_END REQUEST
             00 00 00 0a                                      nfgenmsg res_id NFNL_SUBSYS_NFTABLES`;
const names = `01 00 00 00                                      nfgenmsg NFPROTO_INET
               09 00 01 00 6b 6c 65 65 00 00 00 00              NFTA_SET_ELEM_LIST_TABLE "klee"
               0e 00 02 00 61 6e 79 77 68 65 72 65 34 00 00 00  NFTA_SET_ELEM_LIST_SET "anywhere4"`;

test("nft add element inet klee anywhere4 { tcp . 8080 : 10.2.3.1 . 80 }", () => {
  const element = `58 00 00 00 0c 0a 05 04 02 00 00 00 00 00 00 00  nlmsghdr NFT_MSG_NEWSETELEM REQUEST|ACK|CREATE
    ${names}
    28 00 03 80                                      NFTA_SET_ELEM_LIST_ELEMENTS
    24 00 01 80                                      NFTA_LIST_ELEM
    10 00 01 80 0c 00 01 00 06 00 00 00 1f 90 00 00  NFTA_SET_ELEM_KEY, NFTA_DATA_VALUE: 6 . 8080
    10 00 02 80 0c 00 01 00 0a 02 03 01 00 50 00 00  NFTA_SET_ELEM_DATA, NFTA_DATA_VALUE: 10.2.3.1 . 80`;
  assert.deepEqual(
    sentFor("add").map(rowsOf),
    [begin, element, end].map((text) => rowsOf(bytesOf(text))),
  );
});

test("nft delete element inet klee anywhere4 { tcp . 8080 : 10.2.3.1 . 80 }", () => {
  const element = `48 00 00 00 0e 0a 05 00 02 00 00 00 00 00 00 00  nlmsghdr NFT_MSG_DELSETELEM REQUEST|ACK
    ${names}
    18 00 03 80                                      NFTA_SET_ELEM_LIST_ELEMENTS
    14 00 01 80                                      NFTA_LIST_ELEM
    10 00 01 80 0c 00 01 00 06 00 00 00 1f 90 00 00  NFTA_SET_ELEM_KEY, NFTA_DATA_VALUE: 6 . 8080`;
  assert.deepEqual(
    sentFor("delete").map(rowsOf),
    [begin, element, end].map((text) => rowsOf(bytesOf(text))),
  );
});

test("a transaction that is refused as a whole is refused at its beginning", () => {
  // NLMSG_ERROR of sequence 1, -EPERM.
  const refusal = Buffer.alloc(20);
  refusal.writeInt32LE(-1);
  const socket = new NetlinkSocket({
    batchLength: 1,
    send() {},
    receive: () => encodeMessage(2, 0, 1, refusal),
    [Symbol.dispose]() {},
  });
  const change = { verb: "add", set: "anywhere4", elements: [{ key, data }] } as const;
  assert.throws(() => changeElements(socket, "klee", [change]), { message: /^NFNL_MSG_BATCH_BEGIN nftables: EPERM/ });
});

describe("set elements in a network namespace", needs("root", "nft"), () => {
  before(() => {
    enterNetworkNamespace();
    nft("add table inet klee");
    nft("add map inet klee anywhere4 { type inet_proto . inet_service : ipv4_addr . inet_service; }");
  });
  const nft = (text: string): string => execFileSync("nft", [text], { encoding: "utf8" });
  const list = (): string => /elements = \{ (.*) \}/.exec(nft("list map inet klee anywhere4"))?.[1] ?? "";

  test("nft sees what was added, again, and deleted", () => {
    using socket = openNetfilter();
    const change = (verb: "add" | "delete") => ({ verb, set: "anywhere4", elements: [{ key, data }] });
    changeElements(socket, "klee", [change("add")]);
    assert.equal(list(), "tcp . 8080 : 10.2.3.1 . 80");
    changeElements(socket, "klee", [change("add"), change("delete")]);
    assert.equal(list(), "");
  });

  test("what is refused is named, and nothing of its transaction is applied", () => {
    using socket = openNetfilter();
    const other = { key: Buffer.from(key), data };
    other.key[0] = 17;
    const change = (verb: "add" | "delete", set: string, element = { key, data }) => ({
      verb,
      set,
      elements: [element],
    });
    assert.throws(
      () => changeElements(socket, "klee", [change("add", "anywhere4"), change("delete", "anywhere4", other)]),
      {
        code: "ENOENT",
        message: /^NFT_MSG_DELSETELEM klee anywhere4: ENOENT/,
      },
    );
    assert.throws(() => changeElements(socket, "klee", [change("add", "anywhere4"), change("add", "nosuch")]), {
      code: "ENOENT",
      message: /^NFT_MSG_NEWSETELEM klee nosuch: ENOENT/,
    });
    assert.equal(list(), "");
    changeElements(socket, "klee", [change("add", "anywhere4")]);
    const changed = { key, data: Buffer.from(data).fill(1) };
    assert.throws(() => changeElements(socket, "klee", [change("add", "anywhere4", changed)]), {
      code: /^(EBUSY|EEXIST)$/,
    });
    assert.equal(list(), "tcp . 8080 : 10.2.3.1 . 80");
    changeElements(socket, "klee", [change("delete", "anywhere4")]);
  });

  test("many at once", () => {
    using socket = openNetfilter();
    const elements = Array.from({ length: 900 }, (_, index) => {
      const one = Buffer.from(key);
      one.writeUInt16BE(1 + index, 4);
      return { key: one, data };
    });
    changeElements(socket, "klee", [{ verb: "add", set: "anywhere4", elements }]);
    assert.equal(nft("list map inet klee anywhere4").match(/10\.2\.3\.1/g)?.length, 900);
    changeElements(socket, "klee", [{ verb: "delete", set: "anywhere4", elements }]);
    assert.equal(list(), "");
  });
});
