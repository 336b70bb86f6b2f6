import { encodeAddress } from "../../../ffi/inet.ts";
import { constants as diag } from "../../../ffi/linux/abi/sock-diag.ts";
import type { SetChange, SetElement } from "../../../ffi/linux/set-elements.ts";
import { type Elements, typesOf } from "./elements.ts";

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
  inet_proto: (word) => Buffer.from([word === "tcp" ? diag.IPPROTO_TCP : diag.IPPROTO_UDP]),
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

/** A change of elements in the kernel's own form; undefined when a set of intervals is among them. */
export function encodeChange(verb: SetChange["verb"], elements: Elements): SetChange[] | undefined {
  const changes: SetChange[] = [];
  for (const [set, texts] of elements) {
    const types = typesOf(set);
    if (types === undefined) return undefined;
    changes.push({ verb, set, elements: [...texts].map((text) => encodeElement(types, text)) });
  }
  return changes;
}

/** `10.2.3.1 . tcp . 80`, or of a map `tcp . 8080 : 10.2.3.1 . 80` */
function encodeElement(types: NonNullable<ReturnType<typeof typesOf>>, text: string): SetElement {
  const [key = "", data] = text.split(" : ");
  return { key: concatenate(types.key, key), data: data === undefined ? undefined : concatenate(types.data, data) };
}

function concatenate(types: readonly string[], text: string): Buffer {
  const words = text.split(" . ");
  const parts = types.map((type, index) => {
    const bytes = encoders[type]?.(words[index] ?? "") ?? Buffer.alloc(0);
    // A value of one part takes its own length.
    const padding = types.length === 1 ? 0 : (REGISTER - (bytes.length % REGISTER)) % REGISTER;
    return Buffer.concat([bytes, Buffer.alloc(padding)]);
  });
  return Buffer.concat(parts);
}
