import { isErrno } from "../errno.ts";
import { FieldError } from "../struct.ts";
import { AF_INET, AF_INET6, sockaddr_in, sockaddr_in6 } from "./abi/socket.ts";
import { setSysctlBytes } from "./sysctl.ts";

/** An end of a connection. */
export interface TcpEnd {
  /** 4 or 16 bytes in network order. */
  readonly address: Buffer;
  readonly port: number;
}

/** sizeof(struct sockaddr_storage), sys/_sockaddr_storage.h. */
const STORAGE_SIZE = 128;
const DROP = "net.inet.tcp.drop";

function encodeEnd({ address, port }: TcpEnd): Buffer {
  const storage = Buffer.alloc(STORAGE_SIZE);
  if (address.length === 4)
    sockaddr_in
      .encode({ sin_len: sockaddr_in.size, sin_family: AF_INET, sin_port: port, sin_addr: address })
      .copy(storage);
  else if (address.length === 16)
    sockaddr_in6
      .encode({ sin6_len: sockaddr_in6.size, sin6_family: AF_INET6, sin6_port: port, sin6_addr: address })
      .copy(storage);
  else throw new FieldError(`an address has 4 or 16 bytes, not ${address.length}`);
  return storage;
}

/** What net.inet.tcp.drop takes: two sockaddr_storage, the foreign end first. */
export const encodeDrop = (local: TcpEnd, foreign: TcpEnd): Buffer =>
  Buffer.concat([encodeEnd(foreign), encodeEnd(local)]);

/**
 * Ends a connection as its peer's reset would, tcpdrop(8): the socket's next call fails.
 *
 * @returns false when this host has no socket with these ends.
 * @throws {SyscallError} EPERM; {FieldError}
 */
export function dropConnection(local: TcpEnd, foreign: TcpEnd): boolean {
  try {
    setSysctlBytes(DROP, encodeDrop(local, foreign));
    return true;
  } catch (error) {
    if (isErrno(error, "ESRCH")) return false;
    throw error;
  }
}
