import * as bpf from "../../../../ffi/linux/bpf/index.ts";
import type { Fd } from "../../../../ffi/linux/fd.ts";
import { entry, LISTENERS_MAX } from "./entry.ts";

/** What the programs share with each other and with klee. */
export interface ConfinementMaps {
  /** A container's cgroup id -> its entry. */
  readonly containers: Fd;
  /** {network namespace, address} -> its {@link owner}. */
  readonly addresses: Fd;
  /** On each socket that a container has made: {@link binding}. */
  readonly bindings: Fd;
  /** {@link listenerKey} -> the socket. */
  readonly listeners: Fd;
  /** A container's cgroup id -> what it has of the host's ports: {@link usage}. */
  readonly usages: Fd;
}

export const mapNames = ["containers", "addresses", "bindings", "listeners", "usages"] as const;

/** Key of `addresses`, in bytes: the network namespace's number, then the address, IPv4 mapped into IPv6. */
export const addressKey = { namespace: 0, address: 8, size: 24 } as const;

/** Value of `addresses`: the container's cgroup id, and whether its listeners have to be looked for. */
export const owner = { cgroup: 0, looked: 8, size: 16 } as const;

/**
 * Value of `usages`, 64 bits each: sockets that are open, those that accept(2) made left out; when the minute began that
 * is counted, by the kernel's clock, and how many ports were bound since; how many of its sockets are in the map of
 * listeners, and how many found no place there.
 */
export const usage = { sockets: 0, since: 8, bound: 16, listeners: 24, lost: 32, size: 40 } as const;

/** What a socket's storage tells: whose it is, what its bind asked for, and what it said of IPv6 alone. */
export const binding = { cgroup: 0, kind: 8, ipv6Only: 12, size: 16 } as const;

/** `none`: it never was bound, or where it hears nothing. */
export const Binding = { none: 0, address: 1, any4: 2, any6: 3 } as const;
/** Beside the kind, of a socket that is counted as a listener. */
export const LISTENING = 0x100;
export const Ipv6Only = { on: 1, off: 2 } as const;

/**
 * Key of `listeners`, TCP sockets: whose, on which address and port; a wildcard as the address is `::` or
 * `::ffff:0.0.0.0`. Sockets that share the port (SO_REUSEPORT) take a slot each.
 */
export const listenerKey = { cgroup: 0, address: 8, port: 24, slot: 28, size: 32 } as const;

/** The kernel spreads connections over all sockets that share a port, once it is given one; so a few slots do. */
export const LISTENER_SLOTS = 4;

const CONTAINERS_MAX = 16_384;
/**
 * For all containers at once, each of which has {@link LISTENERS_MAX} at most. A map for each container would be fuller
 * only, and slower: a write to a map of maps waits until no processor is in a program, some 15 ms (synchronize_rcu).
 */
const ALL_LISTENERS_MAX = 64 * LISTENERS_MAX;

const definitions: Readonly<Record<keyof ConfinementMaps, bpf.MapDefinition>> = {
  containers: define("containers", "hash", 8, entry.size, CONTAINERS_MAX),
  addresses: define("addresses", "hash", addressKey.size, owner.size, 4 * CONTAINERS_MAX),
  bindings: define("bindings", "socket-storage", 4, binding.size, 0),
  listeners: define("listeners", "sockets", listenerKey.size, 8, ALL_LISTENERS_MAX),
  usages: define("usages", "hash", 8, usage.size, CONTAINERS_MAX),
};

function define(
  name: string,
  kind: bpf.MapDefinition["kind"],
  keySize: number,
  valueSize: number,
  maxEntries: number,
): bpf.MapDefinition {
  return { name: `klee_${name}`, kind, keySize, valueSize, maxEntries };
}

export function createMaps(): ConfinementMaps {
  const made: Fd[] = [];
  const make = (key: keyof ConfinementMaps): Fd => {
    const map = bpf.createMap(definitions[key]);
    made.push(map);
    return map;
  };
  try {
    return {
      containers: make("containers"),
      addresses: make("addresses"),
      bindings: make("bindings"),
      listeners: make("listeners"),
      usages: make("usages"),
    };
  } catch (error) {
    for (const map of made) map.close();
    throw error;
  }
}

/** Opens the maps among those with the given ids; undefined unless all are there. */
export function openMaps(ids: Iterable<number>): ConfinementMaps | undefined {
  const opened = new Map<string, Fd>();
  for (const id of new Set(ids)) {
    const map = bpf.openMap(id);
    if (map !== undefined) opened.set(bpf.mapInfo(map).name, map);
  }
  const found = mapNames.map((key) => [key, opened.get(definitions[key].name)] as const);
  if (found.every(([, map]) => map !== undefined)) return Object.fromEntries(found) as unknown as ConfinementMaps;
  for (const map of opened.values()) map.close();
  return undefined;
}

export function closeMaps(maps: ConfinementMaps): void {
  for (const key of mapNames) maps[key].close();
}
