import { addRemedyHook, isErrno } from "../../../ffi/errno.ts";
import * as bpf from "../../../ffi/freebsd/bpf.ts";
import { ControlSockets, withControlSockets } from "../../../ffi/freebsd/control.ts";
import * as ifaddr from "../../../ffi/freebsd/ifaddr.ts";
import * as ifaddrs from "../../../ffi/freebsd/ifaddrs.ts";
import * as ifclone from "../../../ffi/freebsd/ifclone.ts";
import * as ifgroup from "../../../ffi/freebsd/ifgroup.ts";
import * as interfaces from "../../../ffi/freebsd/interface.ts";
import * as kld from "../../../ffi/freebsd/kld.ts";
import * as route from "../../../ffi/freebsd/route.ts";
import { hostFailure, KleeError } from "../../errors.ts";
import type { HostInterface, HostNeighbour, InterfaceMaker, Interfaces, InterfaceType } from "../host.ts";

/** Interfaces of klee are in this group, `ifconfig -g klee`, and have the network's id in their description. */
export const GROUP = "klee";
const MARK = "klee ";
/** Drivers whose clones networks are made of; a bridge without members only holds addresses. */
const drivers: Readonly<Record<InterfaceType, string>> = { loopback: "lo", bridge: "bridge" };
const modules: Readonly<Record<InterfaceType, string | undefined>> = { loopback: undefined, bridge: "if_bridge" };
/**
 * An interface is made under a number before it is marked and gets its name. klee's are in the upper half of what a
 * driver has (IF_MAXUNIT, net/if.h), each network's in a place of its own, so that one which klee was killed over is known.
 */
const FIRST_UNIT = 0x4000;
const UNITS = 0x4000;
/** How many units a network tries, should others have its first ones. */
const ATTEMPTS = 8;

/** So long an answer holds: from a container's making to its start. */
const ASKED_MS = 5000;

addRemedyHook((call, code) => {
  if (call.startsWith("SIOC") && code === "EPERM") return "run klee as root, outside of jails";
  return undefined;
});

/** Interfaces and their addresses by the ioctls of netintro(4). */
export class FreebsdInterfaces implements Interfaces {
  /** When nobody was found to have an address, by interface and address. */
  readonly #asked = new Map<string, number>();

  list(): HostInterface[] {
    return attempt("cannot list the host's interfaces", () => {
      const marks = marksByName();
      return ifaddrs.listInterfaces().map((one) => shown(one, marks.get(one.name)));
    });
  }

  find(name: string): HostInterface | undefined {
    return attempt(`cannot look for interface ${name}`, () => {
      const found = find(ifaddrs.listInterfaces(), name);
      return found && shown(found, networkOf(name));
    });
  }

  holderOf(address: string): string | undefined {
    return attempt(`cannot look for ${address}`, () => {
      const has = ({ addresses }: ifaddrs.NetworkInterface): boolean =>
        addresses.some((one) => one.address === address);
      return ifaddrs.listInterfaces().find(has)?.name;
    });
  }

  neighbours(): HostNeighbour[] {
    return attempt("cannot list the host's routers and neighbours", () => {
      const interfaces = ifaddrs.listInterfaces();
      const on = (index: number): string => interfaces.find((one) => one.index === index)?.name ?? `interface ${index}`;
      return (["inet", "inet6"] as const).flatMap((family) => [
        ...route
          .routes(family)
          .flatMap(({ gateway, interfaceIndex }) =>
            gateway === undefined
              ? []
              : [{ address: gateway, holder: `a router on ${on(interfaceIndex)}`, router: true }],
          ),
        ...interfaces.flatMap(({ name, addresses, pointToPoint }) =>
          addresses
            .filter((one) => one.family === family && pointToPoint && one.destination !== undefined)
            .map(({ destination = "" }) => ({
              address: destination,
              holder: `the other end of ${name}`,
              router: true,
            })),
        ),
        ...route.neighbours(family).map(({ address, interfaceIndex, linkAddress }) => ({
          address,
          holder: `${linkAddress} on ${on(interfaceIndex)}`,
          router: false,
        })),
      ]);
    });
  }

  async askWhoHas(name: string, addresses: readonly string[]): Promise<HostNeighbour[]> {
    const now = performance.now();
    const due = addresses.filter((address) => now - (this.#asked.get(`${name} ${address}`) ?? -ASKED_MS) >= ASKED_MS);
    const found =
      due.length === 0 ? undefined : attempt(`cannot find ${name}`, () => find(ifaddrs.listInterfaces(), name));
    const linkAddress = found?.linkAddress;
    if (linkAddress === undefined || !found?.up || found.loopback) return [];
    try {
      const holders = await bpf.askWhoHas({ name, linkAddress }, due);
      for (const address of due) this.#asked.set(`${name} ${address}`, performance.now());
      for (const { address } of holders) this.#asked.delete(`${name} ${address}`);
      return holders.map((one) => ({ address: one.address, holder: `${one.linkAddress} on ${name}`, router: false }));
    } catch (error) {
      throw hostFailure(`cannot ask on ${name} who has ${due.join(", ")}`, error);
    }
  }

  defaultInterface(): string | undefined {
    return attempt(
      "cannot find the host's default route",
      () => route.defaultInterface("inet") ?? route.defaultInterface("inet6"),
    );
  }

  create(name: string, networkId: string, type: InterfaceType = "loopback"): void {
    attempt(`cannot make interface ${name}`, () => {
      const module = modules[type];
      if (module !== undefined && !kld.hasModule(module)) kld.loadModule(module);
      let made = makeUnit(drivers[type], networkId);
      try {
        interfaces.setInterfaceDescription(made, MARK + networkId);
        ifgroup.addInterfaceGroup(made, GROUP);
        ifclone.renameInterface(made, name);
        made = name;
        interfaces.setInterfaceUp(name);
      } catch (error) {
        ifclone.destroyInterface(made);
        if (hasCode(error, "EEXIST"))
          throw new KleeError("CONFLICT", `interface ${name} exists already`, { cause: error });
        throw error;
      }
    });
  }

  /** Also one that does not have its name yet, or not even a mark. */
  remove(name: string, networkId: string): void {
    attempt(`cannot remove interface ${name}`, () => {
      const unmarked = new Set(Object.values(drivers).flatMap((driver) => unitNames(driver, networkId)));
      for (const { name: existing } of ifaddrs.listInterfaces()) {
        const description = describe(existing);
        const isOwn = description === MARK + networkId || (description === "" && unmarked.has(existing));
        if (isOwn) unlessGone(() => ifclone.destroyInterface(existing));
      }
    });
  }

  addAliases(name: string, addresses: readonly string[], maker: InterfaceMaker = "klee"): void {
    if (addresses.length === 0) return;
    attempt(`cannot add ${bare(addresses)} to ${name}`, () => {
      const all = ifaddrs.listInterfaces();
      const present = aliasesOf(requireMaker(all, name, maker));
      refuseForeignHolders(all, name, addresses, present);
      const added: string[] = [];
      try {
        // One that is there would be taken away and made anew, connections and all.
        for (const alias of addresses.filter((address) => !present.includes(address))) {
          const [address = "", length] = alias.split("/");
          ifaddr.addAlias({ interface: name, address, prefixLength: Number(length), withoutDad: true });
          added.push(alias);
        }
      } catch (error) {
        for (const alias of added.reverse()) withdraw(name, alias);
        throw error;
      }
    });
  }

  removeAliases(name: string, addresses: readonly string[], maker: InterfaceMaker = "klee"): boolean {
    if (addresses.length === 0) return true;
    return attempt(`cannot remove ${bare(addresses)} from ${name}`, () => {
      if ((networkOf(name) !== undefined) !== (maker === "klee")) return false;
      const found = maker === "user" ? find(ifaddrs.listInterfaces(), name) : undefined;
      if (maker === "user" && found === undefined) return false;
      // On the user's own, one with another prefix is the user's.
      const present = maker === "user" ? aliasesOf(found) : addresses;
      for (const alias of addresses.filter((address) => present.includes(address))) withdraw(name, alias);
      return true;
    });
  }
}

/** The kernel gives every loopback interface that comes up these two. */
const isKernels = (address: string): boolean => address === "::1" || address.startsWith("fe80:");

function shown(
  { name, index, linkAddress = "", addresses }: ifaddrs.NetworkInterface,
  networkId: string | undefined,
): HostInterface {
  const all = addresses.filter(({ address }) => networkId === undefined || !isKernels(address));
  return {
    name,
    index,
    linkAddress,
    addresses: all.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
    networkId,
  };
}

/** Kept: a command changes interfaces several times. */
const sockets = new ControlSockets();

function attempt<T>(what: string, act: () => T): T {
  try {
    return withControlSockets(act, sockets);
  } catch (error) {
    throw hostFailure(what, error);
  }
}

const hasCode = (error: unknown, code: string): boolean => isErrno(error, code);

type All = readonly ifaddrs.NetworkInterface[];

const find = (all: All, name: string): ifaddrs.NetworkInterface | undefined =>
  all.find((candidate) => candidate.name === name);

const aliasesOf = (found: ifaddrs.NetworkInterface | undefined): string[] =>
  (found?.addresses ?? []).map(({ address, prefixLength }) => `${address}/${prefixLength}`);

/** Names of klee's interfaces, by one look however many there are. */
export function ownInterfaces(): string[] {
  try {
    return withControlSockets(() => ifgroup.groupMembers(GROUP), sockets);
  } catch (error) {
    // No interface has been put into it since the host was booted.
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  }
}

/** Addresses of all interfaces but klee's, with their prefix lengths. None is asked for the network that it was made for. */
export function hostAddresses(): string[] {
  return attempt("cannot list the host's interfaces", () => {
    const own = new Set(ownInterfaces());
    return ifaddrs
      .listInterfaces()
      .filter(({ name }) => !own.has(name))
      .flatMap(aliasesOf);
  });
}

/** Names of klee's interfaces with the networks that they were made for. */
function marksByName(): Map<string, string> {
  const marks = new Map<string, string>();
  for (const name of ownInterfaces()) {
    const networkId = networkOf(name);
    if (networkId !== undefined) marks.set(name, networkId);
  }
  return marks;
}

function networkOf(name: string): string | undefined {
  const description = describe(name);
  return description.startsWith(MARK) ? description.slice(MARK.length) : undefined;
}

/** Empty when there is none, or no such interface any more. */
function describe(name: string): string {
  try {
    return interfaces.interfaceDescription(name);
  } catch (error) {
    if (hasCode(error, "ENXIO")) return "";
    throw error;
  }
}

/** The names under which a network's interface may begin. */
function unitNames(driver: string, networkId: string): string[] {
  const start = Number.parseInt(networkId.slice(0, 6), 36) % (UNITS - ATTEMPTS);
  return Array.from({ length: ATTEMPTS }, (_, index) => `${driver}${FIRST_UNIT + start + index}`);
}

function makeUnit(driver: string, networkId: string): string {
  const names = unitNames(driver, networkId);
  for (const [index, name] of names.entries()) {
    try {
      return ifclone.createInterface(name);
    } catch (error) {
      if (!hasCode(error, "EEXIST") || index === names.length - 1) throw error;
    }
  }
  throw new RangeError("a network has units to try");
}

/** @throws {KleeError} CONFLICT when the interface is not who made it's, NOT_FOUND when there is none. */
function requireMaker(all: All, name: string, maker: InterfaceMaker): ifaddrs.NetworkInterface {
  const found = find(all, name);
  if (found === undefined)
    throw new KleeError("NOT_FOUND", `interface ${name} does not exist; see klee system reconcile`);
  const marked = networkOf(name) !== undefined;
  if (maker === "klee" && !marked)
    throw new KleeError("CONFLICT", `interface ${name} was not made by klee: its addresses are left alone`);
  if (maker === "user" && marked) throw new KleeError("CONFLICT", `interface ${name} is one that klee made`);
  return found;
}

/**
 * The kernel lets two interfaces have one address. On the user's own interface klee's addresses stand alone (/32, /128),
 * so one with another prefix is the user's.
 */
function refuseForeignHolders(all: All, name: string, addresses: readonly string[], present: readonly string[]): void {
  const wanted = new Set(addresses.map((alias) => bare([alias])));
  for (const one of all) {
    const clash = one.addresses.find(({ address }) => wanted.has(address));
    if (clash === undefined) continue;
    if (one.name !== name)
      throw new KleeError("CONFLICT", `cannot add ${clash.address} to ${name}: it is an address of ${one.name}`);
    if (!present.some((alias) => addresses.includes(alias) && bare([alias]) === clash.address))
      throw new KleeError("CONFLICT", `cannot add ${clash.address} to ${name}: the host has it there already`);
  }
}

function withdraw(name: string, alias: string): void {
  unlessGone(() => ifaddr.removeAlias(name, bare([alias])));
}

function unlessGone(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!hasCode(error, "EADDRNOTAVAIL") && !hasCode(error, "ENXIO")) throw error;
  }
}

/** `10.2.3.1, fd00::1`: an alias stands for itself, its prefix length tells nothing. */
const bare = (addresses: readonly string[]): string =>
  addresses.map((address) => address.replace(/\/\d+$/, "")).join(", ");
