import { isErrno } from "../../errno.ts";
import { addressOf } from "../../library.ts";
import {
  BPF_F_NO_PREALLOC,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_SK_STORAGE,
  BPF_MAP_TYPE_SOCKHASH,
  BPF_NOEXIST,
  bpf_attr_btf_load,
  bpf_attr_map_create,
  bpf_attr_map_elem,
  bpf_map_info,
} from "../abi/bpf.ts";
import { Fd } from "../fd.ts";
import { bpf, ifPresent, objectInfo, openById } from "./request.ts";

/** A table of fixed-size keys and values that programs and processes share. */
export interface MapDefinition {
  /** At most 15 bytes. */
  readonly name: string;
  /** `hash`: bytes to bytes. `sockets`: bytes to a socket. `socket-storage`: a value on each socket, gone with it. */
  readonly kind: "hash" | "sockets" | "socket-storage";
  /** In bytes; without meaning for `socket-storage`. */
  readonly keySize: number;
  /** In bytes; at most 16 for `socket-storage`. */
  readonly valueSize: number;
  /** Without meaning for `socket-storage`. */
  readonly maxEntries: number;
}

/**
 * Makes a map, BPF_MAP_CREATE. It lives as long as a descriptor or a program refers to it.
 *
 * @throws {SyscallError}
 */
export function createMap(definition: MapDefinition): Fd {
  const { name, kind, keySize, valueSize, maxEntries } = definition;
  if (kind === "socket-storage") return createStorage(name, valueSize);
  const attr = bpf_attr_map_create.encode({
    map_type: kind === "hash" ? BPF_MAP_TYPE_HASH : BPF_MAP_TYPE_SOCKHASH,
    key_size: keySize,
    value_size: valueSize,
    max_entries: maxEntries,
    map_flags: kind === "hash" ? BPF_F_NO_PREALLOC : 0,
    map_name: name,
  });
  return new Fd(bpf("MAP_CREATE", name, attr), `map ${name}`);
}

/** The kernel wants a storage map's types described, <linux/btf.h>: here two integers. */
function createStorage(name: string, valueSize: number): Fd {
  const keySize = 4;
  const types = integerTypes([keySize, valueSize]);
  using btf = new Fd(
    bpf("BTF_LOAD", name, bpf_attr_btf_load.encode({ btf: addressOf(types), btf_size: types.length })),
    `types of ${name}`,
  );
  const attr = bpf_attr_map_create.encode({
    map_type: BPF_MAP_TYPE_SK_STORAGE,
    key_size: keySize,
    value_size: valueSize,
    map_flags: BPF_F_NO_PREALLOC,
    map_name: name,
    btf_fd: btf.number,
    btf_key_type_id: 1,
    btf_value_type_id: 2,
  });
  return new Fd(bpf("MAP_CREATE", name, attr), `map ${name}`);
}

/** struct btf_header, one struct btf_type with its word for each integer, then the strings. */
function integerTypes(sizes: readonly number[]): Buffer {
  const [HEADER, TYPE, KIND_INT] = [24, 16, 1];
  const strings = Buffer.from("\0integer\0");
  const blob = Buffer.alloc(HEADER + TYPE * sizes.length + strings.length);
  blob.writeUInt16LE(0xeb9f, 0);
  blob.writeUInt8(1, 2);
  blob.writeUInt32LE(HEADER, 4);
  blob.writeUInt32LE(TYPE * sizes.length, 12);
  blob.writeUInt32LE(TYPE * sizes.length, 16);
  blob.writeUInt32LE(strings.length, 20);
  for (const [index, size] of sizes.entries()) {
    const at = HEADER + TYPE * index;
    blob.writeUInt32LE(1, at);
    blob.writeUInt32LE(KIND_INT << 24, at + 4);
    blob.writeUInt32LE(size, at + 8);
    blob.writeUInt32LE(size * 8, at + 12);
  }
  strings.copy(blob, HEADER + TYPE * sizes.length);
  return blob;
}

function element(map: Fd, key: Buffer | undefined, value: Buffer | undefined, flags = 0): Buffer {
  return bpf_attr_map_elem.encode({
    map_fd: map.number,
    key: key === undefined ? 0n : addressOf(key),
    value: value === undefined ? 0n : addressOf(value),
    flags: BigInt(flags),
  });
}

/**
 * Writes an element, whether it is there or not, BPF_MAP_UPDATE_ELEM.
 *
 * @throws {SyscallError} E2BIG when the map is full.
 */
export function updateElement(map: Fd, key: Buffer, value: Buffer): void {
  bpf("MAP_UPDATE_ELEM", map.object, element(map, key, value));
}

/**
 * Adds an element.
 *
 * @returns false when there is one with this key already; it is left as it is.
 * @throws {SyscallError} E2BIG when the map is full.
 */
export function addElement(map: Fd, key: Buffer, value: Buffer): boolean {
  try {
    bpf("MAP_UPDATE_ELEM", map.object, element(map, key, value, BPF_NOEXIST));
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    throw error;
  }
}

/** Removes an element, BPF_MAP_DELETE_ELEM. Returns false when there is none. */
export function deleteElement(map: Fd, key: Buffer): boolean {
  return ifPresent(() => bpf("MAP_DELETE_ELEM", map.object, element(map, key, undefined))) !== undefined;
}

/** Reads an element of `valueSize` bytes, BPF_MAP_LOOKUP_ELEM; undefined when there is none. */
export function lookupElement(map: Fd, key: Buffer, valueSize: number): Buffer | undefined {
  const value = Buffer.alloc(valueSize);
  const found = ifPresent(() => bpf("MAP_LOOKUP_ELEM", map.object, element(map, key, value)));
  return found === undefined ? undefined : value;
}

/** The keys of a hash, each of `keySize` bytes, BPF_MAP_GET_NEXT_KEY. Begins anew when one is removed meanwhile. */
export function* keysOf(map: Fd, keySize: number): Generator<Buffer> {
  let key: Buffer | undefined;
  for (;;) {
    const next = Buffer.alloc(keySize);
    const found = ifPresent(() => bpf("MAP_GET_NEXT_KEY", map.object, element(map, key, next)));
    if (found === undefined) return;
    yield next;
    key = next;
  }
}

/** A map that exists already, BPF_MAP_GET_FD_BY_ID; undefined when it has gone. */
export function openMap(id: number): Fd | undefined {
  return openById("MAP_GET_FD_BY_ID", "map", id);
}

/** Name and id of a map, struct bpf_map_info. */
export function mapInfo(map: Fd): { readonly id: number; readonly name: string } {
  const info = bpf_map_info.encode({});
  objectInfo(map, info);
  const { id, name } = bpf_map_info.decode(info);
  return { id, name };
}
