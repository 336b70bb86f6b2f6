import { addRemedyHook, isErrno, type SyscallError } from "../../../ffi/errno.ts";
import { formatLinkAddress } from "../../../ffi/ethernet.ts";
import { formatPrefix, type Prefix, parsePrefix } from "../../../ffi/inet.ts";
import { IFA_F_NODAD } from "../../../ffi/linux/abi/rtnetlink.ts";
import { BatchError, type NetlinkSocket, openRtnetlink } from "../../../ffi/linux/netlink/socket.ts";
import { askWhoHas } from "../../../ffi/linux/packet.ts";
import { addAddresses, listAddresses, removeAddresses } from "../../../ffi/linux/rtnl/address.ts";
import { createLink, deleteLink, findLink, type Link, listLinks } from "../../../ffi/linux/rtnl/link.ts";
import { listNeighbours } from "../../../ffi/linux/rtnl/neighbour.ts";
import { findAddressHolders, findDefaultRoute, listNextHops } from "../../../ffi/linux/rtnl/route.ts";
import { hostFailure, KleeError } from "../../errors.ts";
import type { HostInterface, HostNeighbour, InterfaceMaker, Interfaces } from "../host.ts";
import { markOf } from "./confinement/mark.ts";

/**
 * What takes the place of FreeBSD's `lo` clone: each holds addresses and passes no packet on. The bridge has no ports.
 * A network of the type bridge is the same here: its containers have addresses on the host's side of it.
 */
const KINDS = ["bridge", "dummy"];
/** Begins the alias text (`ip link set alias`) of klee's interfaces; the network's id follows. */
const MARK = "klee ";

/** Marks addresses as klee's, `ip address show` says `proto 0x6b`: a number that neither kernel nor iproute2 uses. */
export const ALIAS_PROTOCOL = 0x6b;

/** So long an answer holds: from a container's making to its start. */
const ASKED_MS = 5000;

addRemedyHook((call, code) => {
  if (call === "socket" && code === "EPERM") return "CAP_NET_RAW is needed: run klee as root";
  if (call === "RTM_NEWLINK" && code === "EOPNOTSUPP") return "load the kernel module bridge or dummy";
  if (call === "RTM_NEWADDR" && code === "EACCES") return "IPv6 is off: see sysctl net.ipv6.conf.all.disable_ipv6";
  if (call.startsWith("RTM_") && code === "EPERM") return "CAP_NET_ADMIN is needed: run klee as root";
  return undefined;
});

/** Interfaces and their addresses by rtnetlink. */
export class LinuxInterfaces implements Interfaces {
  /** When nobody was found to have an address, by interface and address. */
  readonly #asked = new Map<string, number>();

  list(): HostInterface[] {
    return withSocket("cannot list the host's interfaces", (socket) => {
      const links = listLinks(socket);
      const addresses = new Map<number, string[]>(links.map(({ index }) => [index, []]));
      for (const { linkIndex, address, prefixLength } of listAddresses(socket))
        addresses.get(linkIndex)?.push(`${address}/${prefixLength}`);
      return links.map((link) => ({
        ...whatItIs(link),
        addresses: addresses.get(link.index) ?? [],
        networkId: markedNetwork(link),
      }));
    });
  }

  find(name: string): HostInterface | undefined {
    return withSocket(`cannot look for interface ${name}`, (socket) => {
      const link = findLink(socket, name);
      if (link === undefined) return undefined;
      const addresses = listAddresses(socket, link).map(({ address, prefixLength }) => `${address}/${prefixLength}`);
      return { ...whatItIs(link), addresses, networkId: markedNetwork(link) };
    });
  }

  holderOf(address: string): string | undefined {
    return withSocket(`cannot look for ${address}`, (socket) => {
      const [index] = findAddressHolders(socket, [parsePrefix(address)]);
      return index === undefined ? undefined : nameOf(socket, index);
    });
  }

  neighbours(): HostNeighbour[] {
    return withSocket("cannot list the host's routers and neighbours", (socket) => {
      const names = new Map(listLinks(socket).map(({ index, name }) => [index, name]));
      const on = (linkIndex: number): string => names.get(linkIndex) ?? `interface ${linkIndex}`;
      const hops = [...listNextHops(socket, "inet"), ...listNextHops(socket, "inet6")];
      return [
        ...hops.map(({ linkIndex, address }) => ({ address, holder: `a router on ${on(linkIndex)}`, router: true })),
        ...listAddresses(socket).flatMap(({ peer, linkIndex }) =>
          peer === undefined ? [] : [{ address: peer, holder: `the other end of ${on(linkIndex)}`, router: true }],
        ),
        ...listNeighbours(socket).map(({ linkIndex, address, linkAddress }) => ({
          address,
          holder: `${linkAddress} on ${on(linkIndex)}`,
          router: false,
        })),
      ];
    });
  }

  async askWhoHas(name: string, addresses: readonly string[]): Promise<HostNeighbour[]> {
    const now = performance.now();
    const due = addresses.filter((address) => now - (this.#asked.get(`${name} ${address}`) ?? -ASKED_MS) >= ASKED_MS);
    if (due.length === 0) return [];
    try {
      const link = withSocket(`cannot find interface ${name}`, (socket) => findLink(socket, name));
      if (link === undefined || !link.asksForAddresses) return [];
      const holders = await askWhoHas(link, due);
      for (const address of due) this.#asked.set(`${name} ${address}`, performance.now());
      for (const { address } of holders) this.#asked.delete(`${name} ${address}`);
      return holders.map(({ address, linkAddress }) => ({
        address,
        holder: `${linkAddress} on ${name}`,
        router: false,
      }));
    } catch (error) {
      throw hostFailure(`cannot ask on ${name} who has ${due.join(", ")}`, error);
    }
  }

  defaultInterface(): string | undefined {
    return withSocket("cannot find the host's default route", (socket) => {
      const route = findDefaultRoute(socket, "inet") ?? findDefaultRoute(socket, "inet6");
      return route && findLink(socket, route.linkIndex)?.name;
    });
  }

  create(name: string, networkId: string): void {
    withSocket(`cannot make interface ${name}`, (socket) => {
      try {
        createMarked(socket, name, networkId);
      } catch (error) {
        if (hasCode(error, "EEXIST"))
          throw new KleeError("CONFLICT", `interface ${name} exists already`, { cause: error });
        throw error;
      }
    });
  }

  remove(name: string, networkId: string): void {
    withSocket(`cannot remove interface ${name}`, (socket) => {
      const called = findLink(socket, name);
      // It may have got another name meanwhile.
      const link =
        called !== undefined && isOf(called, networkId)
          ? called
          : listLinks(socket).find((one) => markedNetwork(one) === networkId);
      if (link !== undefined) deleteLink(socket, link.index, link.name);
    });
  }

  addAliases(name: string, addresses: readonly string[], maker: InterfaceMaker = "klee"): void {
    if (addresses.length === 0) return;
    withSocket(`cannot add ${bare(addresses)} to ${name}`, (socket) => {
      const link = linkOf(socket, name, maker);
      const prefixes = addresses.map(parsePrefix);
      refuseForeignHolders(socket, link, prefixes);
      const aliases = prefixes.map((prefix) => ({ ...prefix, flags: flagsOf(prefix), protocol: ALIAS_PROTOCOL }));
      const errors = refusals(() => addAddresses(socket, link, aliases));
      const own = maker === "klee" ? () => true : ownAliases(socket, link);
      const failed = errors.findIndex(
        (error, index) => error !== undefined && !(error.code === "EEXIST" && own(addresses[index] ?? "")),
      );
      if (failed < 0) return;
      const added = prefixes.filter((_, index) => errors[index] === undefined);
      refusals(() => removeAddresses(socket, link, added));
      throw addFailure(name, addresses.slice(failed, failed + 1), errors[failed]);
    });
  }

  removeAliases(name: string, addresses: readonly string[], maker: InterfaceMaker = "klee"): boolean {
    if (addresses.length === 0) return true;
    return withSocket(`cannot remove ${bare(addresses)} from ${name}`, (socket) => {
      const link = findLink(socket, name);
      if (link === undefined || (markedNetwork(link) !== undefined) !== (maker === "klee")) return false;
      const gone = maker === "klee" ? addresses : addresses.filter(ownAliases(socket, link));
      const failed = refusals(() => removeAddresses(socket, link, gone.map(parsePrefix))).find(
        (error) => error !== undefined && error.code !== "EADDRNOTAVAIL",
      );
      if (failed !== undefined) throw failed;
      return true;
    });
  }
}

/**
 * Makes an interface of the first kind that the kernel has, marked as klee's, up, and without a link-local address, which
 * no container would have.
 */
export function createMarked(socket: NetlinkSocket, name: string, networkId: string, kinds = KINDS): void {
  const wanted = { name, alias: MARK + networkId, group: markOf(networkId), addrGenMode: "none", up: true } as const;
  for (const [index, kind] of kinds.entries()) {
    try {
      createLink(socket, { ...wanted, kind });
      return;
    } catch (error) {
      if (!hasCode(error, "EOPNOTSUPP") || index === kinds.length - 1) throw error;
    }
  }
}

/** An address is a container's alone, of which there is nobody to ask on the link: it is usable at once. */
const flagsOf = ({ family }: Prefix): number => (family === "inet6" ? IFA_F_NODAD : 0);

/** Of the addresses that a batch is about each one's error, in order; none at all when all went well. */
function refusals(batch: () => void): readonly (SyscallError | undefined)[] {
  try {
    batch();
    return [];
  } catch (error) {
    if (error instanceof BatchError) return error.errors;
    throw error;
  }
}

function withSocket<T>(what: string, work: (socket: NetlinkSocket) => T): T {
  try {
    using socket = openRtnetlink();
    return work(socket);
  } catch (error) {
    throw hostFailure(what, error);
  }
}

/** For messages: one that has gone meanwhile has a number alone. */
const nameOf = (socket: NetlinkSocket, index: number): string => findLink(socket, index)?.name ?? `interface ${index}`;

const whatItIs = ({ name, index, linkAddress }: Link): Pick<HostInterface, "name" | "index" | "linkAddress"> => ({
  name,
  index,
  linkAddress: formatLinkAddress(linkAddress),
});

function markedNetwork({ alias }: Link): string | undefined {
  return alias?.startsWith(MARK) ? alias.slice(MARK.length) : undefined;
}

/** By its mark; or, when klee was killed before it set the mark, by the group that the interface was made with. */
const isOf = (link: Link, networkId: string): boolean =>
  link.alias === undefined ? link.group === markOf(networkId) : markedNetwork(link) === networkId;

/** @throws {KleeError} CONFLICT when the interface is not who made it's, NOT_FOUND when there is none. */
function linkOf(socket: NetlinkSocket, name: string, maker: InterfaceMaker): Link {
  const link = findLink(socket, name);
  if (link === undefined)
    throw new KleeError("NOT_FOUND", `interface ${name} does not exist; see klee system reconcile`);
  const marked = markedNetwork(link) !== undefined;
  if (maker === "klee" && !marked)
    throw new KleeError("CONFLICT", `interface ${name} was not made by klee: its addresses are left alone`);
  if (maker === "user" && marked) throw new KleeError("CONFLICT", `interface ${name} is one that klee made`);
  return link;
}

/** Tells which addresses of an interface, `10.2.3.1/32`, klee added. */
function ownAliases(socket: NetlinkSocket, link: Link): (address: string) => boolean {
  const own = new Set(
    listAddresses(socket, link)
      .filter(({ protocol }) => protocol === ALIAS_PROTOCOL)
      .map(({ address, prefixLength }) => `${address}/${prefixLength}`),
  );
  return (address) => own.has(address);
}

function addFailure(name: string, addresses: readonly string[], error: unknown): KleeError {
  if (hasCode(error, "EEXIST"))
    return new KleeError("CONFLICT", `cannot add ${bare(addresses)} to ${name}: the host has it there already`);
  return hostFailure(`cannot add ${bare(addresses)} to ${name}`, error);
}

/** The kernel lets two interfaces have one address; which of them would then answer is left to chance. */
function refuseForeignHolders(socket: NetlinkSocket, link: Link, prefixes: readonly Prefix[]): void {
  for (const [index, holder] of findAddressHolders(socket, prefixes).entries()) {
    const prefix = prefixes[index];
    if (holder === undefined || holder === link.index || prefix === undefined) continue;
    const address = bare([formatPrefix(prefix.bytes, prefix.length)]);
    const name = nameOf(socket, holder);
    throw new KleeError("CONFLICT", `cannot add ${address} to ${link.name}: it is an address of ${name}`);
  }
}

function hasCode(error: unknown, code: string): boolean {
  return isErrno(error, code);
}

/** `10.2.3.1, fd00::1`: an alias stands for itself, its prefix length tells nothing. */
function bare(addresses: readonly string[]): string {
  return addresses.map((address) => address.replace(/\/\d+$/, "")).join(", ");
}
