import { JAIL_GET_DESC, JAIL_OWN_DESC, JAIL_USE_DESC } from "./abi/jail15.ts";
import { Fd } from "./fd.ts";
import { room, valueAt } from "./iovec.ts";
import { callJail, describeKey } from "./jail-call.ts";
import { encodeJailParams, type JailKey } from "./jail-encoding.ts";
import { cFunction, syscall } from "./libc.ts";

const jail_attach_jd = cFunction<[number], number>("int jail_attach_jd(int fd)");
const jail_remove_jd = cFunction<[number], number>("int jail_remove_jd(int fd)");

const INT_SIZE = 4;

/**
 * A descriptor of a jail, from FreeBSD 15 on; it names this jail even when another one gets its id.
 *
 * @param options `own`: the jail is removed when the last descriptor that owns it is closed.
 * @throws {SyscallError} EINVAL on an older kernel, ENOENT when there is no such jail.
 */
export function jailDescriptor(key: JailKey, options: { readonly own?: boolean } = {}): Fd {
  const pairs = [...encodeJailParams(key), room("desc", INT_SIZE)];
  const { iov } = callJail("jail_get", describeKey(key), pairs, options.own ? JAIL_OWN_DESC : JAIL_GET_DESC);
  return new Fd(valueAt(iov, pairs.length - 1).readInt32LE(0), `jail ${describeKey(key)}`);
}

/** Id of the jail that a descriptor is of, from FreeBSD 15 on. @throws {SyscallError} ENOENT when it is gone. */
export function jailOfDescriptor({ number, object }: Fd): number {
  return callJail("jail_get", object, encodeJailParams({ desc: number }), JAIL_USE_DESC).jid;
}

/** jail_attach(2) by descriptor, from FreeBSD 15 on. */
export function jailAttachDescriptor({ number, object }: Fd): void {
  syscall({ call: "jail_attach_jd", object }, () => jail_attach_jd(number));
}

/** jail_remove(2) by descriptor, from FreeBSD 15 on. */
export function jailRemoveDescriptor({ number, object }: Fd): void {
  syscall({ call: "jail_remove_jd", object }, () => jail_remove_jd(number));
}
