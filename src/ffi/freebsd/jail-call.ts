import { decodeCString } from "../struct.ts";
import { type IovMemory, type IovPair, layOutIovec, room, valueAt } from "./iovec.ts";
import type { JailKey } from "./jail-encoding.ts";
import { cFunction, syscall } from "./libc.ts";

const jail_set = cFunction<[Buffer, number, number], number>("int jail_set(void *iov, unsigned int niov, int flags)");
const jail_get = cFunction<[Buffer, number, number], number>("int jail_get(void *iov, unsigned int niov, int flags)");

/** Room for the kernel's message, in bytes, as large as libjail's. */
const ERRMSG_SIZE = 1024;
const errmsg = room("errmsg", ERRMSG_SIZE);

/** Makes the call. @throws {SyscallError} with the kernel's own message. */
export function callJail(
  call: "jail_set" | "jail_get",
  object: string,
  pairs: readonly IovPair[],
  flags: number,
): { readonly jid: number; readonly iov: IovMemory } {
  const iov = layOutIovec([...pairs, errmsg]);
  const invoke = call === "jail_set" ? jail_set : jail_get;
  const kernelText = () => decodeCString(valueAt(iov, pairs.length));
  return { jid: syscall({ call, object, kernelText }, () => invoke(iov.memory, iov.count, flags)), iov };
}

/** What errors call the jail. */
export function describeKey(key: JailKey): string {
  if ("name" in key) return key.name;
  return "jid" in key ? String(key.jid) : `after ${key.lastjid}`;
}
