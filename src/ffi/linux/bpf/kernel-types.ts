import { readFileSync } from "node:fs";
import {
  BTF_KIND_ARRAY,
  BTF_KIND_CONST,
  BTF_KIND_DATASEC,
  BTF_KIND_DECL_TAG,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_FUNC,
  BTF_KIND_FUNC_PROTO,
  BTF_KIND_INT,
  BTF_KIND_RESTRICT,
  BTF_KIND_STRUCT,
  BTF_KIND_TYPE_TAG,
  BTF_KIND_TYPEDEF,
  BTF_KIND_UNION,
  BTF_KIND_VAR,
  BTF_KIND_VOLATILE,
  BTF_MAGIC,
  btf_header,
  btf_member,
  btf_type,
} from "../abi/btf.ts";

const VMLINUX = "/sys/kernel/btf/vmlinux";

/** Words behind a `struct btf_type` of a kind: so many at once, and for each of its `vlen` members. <linux/btf.h> */
const once = table([
  [BTF_KIND_INT, 1],
  [BTF_KIND_ARRAY, 3],
  [BTF_KIND_VAR, 1],
  [BTF_KIND_DECL_TAG, 1],
]);
const each = table([
  [BTF_KIND_STRUCT, 3],
  [BTF_KIND_UNION, 3],
  [BTF_KIND_ENUM, 2],
  [BTF_KIND_FUNC_PROTO, 2],
  [BTF_KIND_DATASEC, 3],
  [BTF_KIND_ENUM64, 3],
]);
const HEAD_WORDS = btf_type.size / 4;

function table(words: readonly (readonly [kind: number, words: number])[]): Uint8Array {
  const made = new Uint8Array(32);
  for (const [kind, count] of words) made[kind] = count;
  return made;
}

const kindOf = (info: number): number => (info >>> 24) & 0x1f;
const membersOf = (info: number): number => info & 0xffff;

/**
 * The running kernel's own structs and functions, as it tells of them itself (CONFIG_DEBUG_INFO_BTF). Where a field lies
 * differs from one kernel to the next.
 */
export class KernelTypes {
  readonly #bytes: Buffer;
  readonly #strings: Buffer;
  /** By id, which counts from 1: where its `struct btf_type` begins, in words. */
  readonly #starts: Uint32Array;
  /** Name -> ids of what is called so. */
  readonly #named = new Map<string, number[]>();

  /**
   * @param bytes aligned to 4, as a Buffer of its own is.
   * @param names of the structs and functions that are asked for: there are many more.
   */
  constructor(bytes: Buffer, names: readonly string[]) {
    const { magic, hdr_len, type_off, type_len, str_off, str_len } = btf_header.decode(bytes);
    if (magic !== BTF_MAGIC) throw new Error("this is no BTF of a little-endian machine");
    this.#bytes = bytes.subarray(hdr_len + type_off, hdr_len + type_off + type_len);
    this.#strings = bytes.subarray(hdr_len + str_off, hdr_len + str_off + str_len);
    const words = new Uint32Array(bytes.buffer, this.#bytes.byteOffset, type_len / 4);
    const wanted = new Map(names.flatMap((name) => this.#placesOf(name).map((place) => [place, name] as const)));
    this.#starts = new Uint32Array(words.length / HEAD_WORDS + 1);
    for (let at = 0, id = 1; at < words.length; id += 1) {
      const info = words[at + 1] as number;
      const kind = kindOf(info);
      if (kind === BTF_KIND_STRUCT || kind === BTF_KIND_FUNC) {
        const name = wanted.get(words[at] as number);
        if (name !== undefined) this.#named.set(name, [...(this.#named.get(name) ?? []), id]);
      }
      this.#starts[id] = at;
      at += HEAD_WORDS + (once[kind] as number) + (each[kind] as number) * membersOf(info);
    }
  }

  /** Those of the running kernel; undefined when it does not tell. */
  static ofKernel(names: readonly string[]): KernelTypes | undefined {
    try {
      return new KernelTypes(readFileSync(VMLINUX), names);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Id of a function; undefined when there is none of this name. */
  function(name: string): number | undefined {
    return this.#find(name, BTF_KIND_FUNC);
  }

  /** Id of a struct; undefined when there is none of this name. */
  struct(name: string): number | undefined {
    return this.#find(name, BTF_KIND_STRUCT);
  }

  /**
   * Where a member lies in a struct, in bytes; of those within it the name may be `outer.inner`. Members of structs and
   * unions without a name are the outer one's.
   */
  offset(struct: string, path: string): number | undefined {
    let id = this.#find(struct, BTF_KIND_STRUCT);
    let offset = 0;
    for (const name of path.split(".")) {
      const member: { readonly type: number; readonly bits: number } | undefined =
        id === undefined ? undefined : this.#member(this.#resolve(id), name);
      if (member === undefined) return undefined;
      offset += member.bits / 8;
      id = member.type;
    }
    return offset;
  }

  /** Where a name begins among the strings. */
  #placesOf(name: string): number[] {
    const sought = Buffer.from(`\0${name}\0`, "latin1");
    const places: number[] = [];
    for (let at = this.#strings.indexOf(sought); at >= 0; at = this.#strings.indexOf(sought, at + 1))
      places.push(at + 1);
    return places;
  }

  #find(name: string, kind: number): number | undefined {
    return this.#named.get(name)?.find((id) => kindOf(this.#type(id).info) === kind);
  }

  #type(id: number) {
    return btf_type.decode(this.#bytes, (this.#starts[id] ?? 0) * 4);
  }

  /** What a typedef, or a type with const and the like before it, is a name of. */
  #resolve(id: number): number {
    const { info, size } = this.#type(id);
    return ALIASES.includes(kindOf(info)) ? this.#resolve(size) : id;
  }

  #member(id: number, name: string): { readonly type: number; readonly bits: number } | undefined {
    const { info } = this.#type(id);
    const kind = kindOf(info);
    if (kind !== BTF_KIND_STRUCT && kind !== BTF_KIND_UNION) return undefined;
    for (let index = 0; index < membersOf(info); index += 1) {
      const at = (this.#starts[id] ?? 0) * 4 + btf_type.size + index * btf_member.size;
      const { name_off, type, offset } = btf_member.decode(this.#bytes, at);
      // With bit fields in the struct the upper byte is such a one's width.
      const bits = info >>> 31 === 1 ? offset & 0xff_ffff : offset;
      if (name_off !== 0) {
        if (this.#isNamed(name_off, name)) return { type, bits };
        continue;
      }
      const inner = this.#member(this.#resolve(type), name);
      if (inner !== undefined) return { type: inner.type, bits: bits + inner.bits };
    }
    return undefined;
  }

  #isNamed(at: number, name: string): boolean {
    return this.#strings.toString("latin1", at, at + name.length + 1) === `${name}\0`;
  }
}

const ALIASES: readonly number[] = [
  BTF_KIND_TYPEDEF,
  BTF_KIND_VOLATILE,
  BTF_KIND_CONST,
  BTF_KIND_RESTRICT,
  BTF_KIND_TYPE_TAG,
];
