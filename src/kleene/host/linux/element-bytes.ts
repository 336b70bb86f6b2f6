import { encodeAddress } from "../../../ffi/inet.ts";
import { IPPROTO_TCP, IPPROTO_UDP } from "../../../ffi/linux/abi/sock-diag.ts";
import type { SetChange, SetElement } from "../../../ffi/linux/set-elements.ts";
import { type Elements, type ElementTypes, typesOf } from "./elements.ts";

/** Where one part of a concatenation ends and the next may begin: a register of nftables, in bytes. */
const REGISTER = 4;
/** IFNAMSIZ of <linux/if.h>. */
const IFNAMSIZ = 16;

/** The parts of elements as the kernel holds them, by nft's name of their type. */
const encoders: Readonly<Record<string, (word: string) => Buffer>> = {
  ADDRESS: encodeAddress,
  ifname: (word) => {
    const name = Buffer.alloc(IFNAMSIZ);
    name.write(word.replaceAll('"', ""));
    return name;
  },
  inet_proto: (word) => Buffer.from([word === "tcp" ? IPPROTO_TCP : IPPROTO_UDP]),
  inet_service: (word) => {
    const port = Buffer.alloc(2);
    port.writeUInt16BE(Number(word));
    return port;
  },
  mark: (word) => {
    const mark = Buffer.alloc(4);
    mark.writeUInt32LE(Number(word));
    return mark;
  },
};

/** A change of elements in the kernel's own form. */
export function encodeChange(verb: SetChange["verb"], elements: Elements): SetChange[] {
  return [...elements].map(([set, texts]) => {
    const types = typesOf(set);
    return { verb, set, elements: [...texts].flatMap((text) => encodeElement(types, text)) };
  });
}

/** `10.2.3.1 . tcp . 80`, of a map `tcp . 8080 : 10.2.3.1 . 80`, of a set of intervals `em0 . 10.2.3.0/24` */
function encodeElement(types: ElementTypes, text: string): SetElement[] {
  const [keyText = "", dataText] = text.split(" : ");
  const bounds = keyText.split(" . ").map((word, index) => boundsOf(types.key[index] ?? "", word));
  const key = concatenate(bounds.map(({ first }) => first));
  if (!types.interval) {
    const data = dataText?.split(" . ").map((word, index) => boundsOf(types.data[index] ?? "", word).first);
    return [{ key, data: data && concatenate(data) }];
  }
  const last = concatenate(bounds.map((bound) => bound.last));
  if (bounds.length > 1) return [{ key, last }];
  // The last address of all has none after it: an interval that reaches so far has no end.
  const next = successor(last);
  return next === undefined ? [{ key }] : [{ key }, { key: next, endsInterval: true }];
}

/** The first and the last value that a word stands for: they differ for a subnet. */
function boundsOf(type: string, word: string): { readonly first: Buffer; readonly last: Buffer } {
  const [value = "", length] = type === "ADDRESS" ? word.split("/") : [word];
  const first = encoders[type]?.(value) ?? Buffer.alloc(0);
  const last = Buffer.from(first);
  if (length !== undefined)
    for (let bit = Number(length); bit < 8 * last.length; bit++)
      last[bit >> 3] = (last[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return { first, last };
}

function concatenate(parts: readonly Buffer[]): Buffer {
  const padded = parts.map((bytes) => {
    // A value of one part takes its own length.
    const padding = parts.length === 1 ? 0 : (REGISTER - (bytes.length % REGISTER)) % REGISTER;
    return Buffer.concat([bytes, Buffer.alloc(padding)]);
  });
  return Buffer.concat(padded);
}

/** The number after a big-endian one; undefined after the largest. */
function successor(number: Buffer): Buffer | undefined {
  const next = Buffer.from(number);
  for (let index = next.length - 1; index >= 0; index--) {
    const byte = ((next[index] ?? 0) + 1) & 0xff;
    next[index] = byte;
    if (byte !== 0) return next;
  }
  return undefined;
}
