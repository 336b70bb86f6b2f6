import { isErrno } from "../../errno.ts";
import { addressOf } from "../../library.ts";
import {
  BPF_BTF_LOAD,
  BPF_LINK_CREATE,
  BPF_LINK_GET_FD_BY_ID,
  BPF_LINK_GET_NEXT_ID,
  BPF_MAP_CREATE,
  BPF_MAP_DELETE_ELEM,
  BPF_MAP_GET_FD_BY_ID,
  BPF_MAP_GET_NEXT_KEY,
  BPF_MAP_LOOKUP_ELEM,
  BPF_MAP_UPDATE_ELEM,
  BPF_OBJ_GET_INFO_BY_FD,
  BPF_PROG_ATTACH,
  BPF_PROG_GET_FD_BY_ID,
  BPF_PROG_LOAD,
  BPF_PROG_QUERY,
  bpf_attr_get_id,
  bpf_attr_info,
  SYS_bpf,
} from "../abi/bpf.ts";
import { Fd } from "../fd.ts";
import { syscall, systemCall } from "../libc.ts";

const commands = {
  MAP_CREATE: BPF_MAP_CREATE,
  MAP_LOOKUP_ELEM: BPF_MAP_LOOKUP_ELEM,
  MAP_UPDATE_ELEM: BPF_MAP_UPDATE_ELEM,
  MAP_DELETE_ELEM: BPF_MAP_DELETE_ELEM,
  MAP_GET_NEXT_KEY: BPF_MAP_GET_NEXT_KEY,
  PROG_LOAD: BPF_PROG_LOAD,
  PROG_ATTACH: BPF_PROG_ATTACH,
  PROG_GET_FD_BY_ID: BPF_PROG_GET_FD_BY_ID,
  MAP_GET_FD_BY_ID: BPF_MAP_GET_FD_BY_ID,
  OBJ_GET_INFO_BY_FD: BPF_OBJ_GET_INFO_BY_FD,
  PROG_QUERY: BPF_PROG_QUERY,
  BTF_LOAD: BPF_BTF_LOAD,
  LINK_CREATE: BPF_LINK_CREATE,
  LINK_GET_FD_BY_ID: BPF_LINK_GET_FD_BY_ID,
  LINK_GET_NEXT_ID: BPF_LINK_GET_NEXT_ID,
} as const;
type Command = keyof typeof commands;

/**
 * One call of bpf(2).
 *
 * @param attr the part of `union bpf_attr` that the command reads and writes. Buffers whose addresses it holds must
 *   outlive the call.
 * @throws {SyscallError}
 */
export function bpf(command: Command, object: string, attr: Buffer): number {
  const number = SYS_bpf[process.arch];
  if (number === undefined) throw new Error(`bpf(2) has no number for ${process.arch}`);
  const args = [commands[command], addressOf(attr), attr.length];
  return syscall({ call: `bpf(${command})`, object }, () => systemCall(number, args));
}

/** What the request gives; undefined when the kernel answers ENOENT: no such element or object. */
export function ifPresent<T>(request: () => T): T | undefined {
  try {
    return request();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** A descriptor of an object that exists already; undefined when it has gone. */
export function openById(
  command: "PROG_GET_FD_BY_ID" | "MAP_GET_FD_BY_ID" | "LINK_GET_FD_BY_ID",
  what: string,
  id: number,
): Fd | undefined {
  const object = `${what} ${id}`;
  return ifPresent(() => new Fd(bpf(command, object, bpf_attr_get_id.encode({ start_id: id })), object));
}

/** Fills `info` with what the kernel tells of an object, as far as both know it. */
export function objectInfo(object: Fd, info: Buffer): void {
  bpf(
    "OBJ_GET_INFO_BY_FD",
    object.object,
    bpf_attr_info.encode({
      "info.bpf_fd": object.number,
      "info.info_len": info.length,
      "info.info": addressOf(info),
    }),
  );
}
