import { FieldError } from "../struct.ts";
import { PRISON_STATE_ALIVE, XPRISON_VERSION, xprison } from "./abi/jail.ts";
import { sysctlBytes } from "./sysctl.ts";

/** A jail that is neither being made nor removed. */
export interface ListedJail {
  readonly jid: number;
  readonly name: string;
  /** As the kernel shows it to the caller. */
  readonly path: string;
}

const LIST = "security.jail.list";
/** Room for the jails of most hosts, in bytes. */
const ROOM = 256 * xprison.size;
const ADDRESS_SIZE = { ip4: 4, ip6: 16 } as const;

/** Reads the answer of the sysctl. @throws {FieldError} when the kernel's jails are of another version. */
export function decodeJails(answer: Buffer): ListedJail[] {
  const jails: ListedJail[] = [];
  for (let at = 0; at + xprison.size <= answer.length; ) {
    const found = xprison.decode(answer, at);
    if (found.pr_version !== XPRISON_VERSION)
      throw new FieldError(`struct xprison is of version ${found.pr_version} here, not ${XPRISON_VERSION}`);
    if (found.pr_state === PRISON_STATE_ALIVE)
      jails.push({ jid: found.pr_id, name: found.pr_name, path: found.pr_path });
    at += xprison.size + found.pr_ip4s * ADDRESS_SIZE.ip4 + found.pr_ip6s * ADDRESS_SIZE.ip6;
  }
  return jails;
}

/** All jails that the caller can see, by one call however many there are, sysctl(3) security.jail.list. */
export function jails(): ListedJail[] {
  return decodeJails(sysctlBytes(LIST, ROOM));
}
