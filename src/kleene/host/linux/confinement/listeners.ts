import { Assembler, contexts, EVENT_LISTEN, helperFlags, helpers } from "../../../../ffi/linux/bpf/index.ts";
import { families, MAPPED_WORD, protocols, words } from "./confined-program.ts";
import { LISTENERS_MAX } from "./entry.ts";
import {
  addressKey,
  Binding,
  binding,
  type ConfinementMaps,
  LISTENER_SLOTS,
  LISTENING,
  listenerKey,
  owner,
  usage,
} from "./maps.ts";

/** Keys on the stack, below r10. A container's cgroup id begins that of its listeners. */
const LISTENER = -listenerKey.size;
const ADDRESS = LISTENER - addressKey.size;
const CGROUP = LISTENER + listenerKey.cgroup;

/** Enters each TCP socket of a container that begins to listen, under what its bind asked for. */
export function listen(maps: ConfinementMaps): Buffer {
  const { tcpEvent: at } = contexts;
  const a = new Assembler().move(6, 1).load32(1, 6, at.event).ifNotEqual(1, EVENT_LISTEN, "done");
  a.load64(2, 6, at.socket).ifNull(2, "done").loadMap(1, maps.bindings).set(3, 0).set(4, 0);
  a.call(helpers.socketStorage).ifNull(0, "done").move(9, 0).load64(1, 9, binding.cgroup).ifNull(1, "done");
  a.store64(10, CGROUP, 1);
  a.loadMap(1, maps.usages).move(2, 10).add(2, CGROUP).call(helpers.mapLookup).ifNull(0, "done").move(8, 0);
  a.load32(1, 6, at.localPort).store32(10, LISTENER + listenerKey.port, 1);
  const to = LISTENER + listenerKey.address;
  a.load32(1, 9, binding.kind)
    .move(7, 1)
    .and(7, LISTENING)
    .and(1, LISTENING - 1);
  // One that never was bound hears on all addresses by itself.
  a.ifEqual(1, Binding.none, "done").ifEqual(1, Binding.any4, "any4").ifEqual(1, Binding.any6, "any6");
  a.load32(1, 6, at.family).ifEqual(1, families.inet6, "address6");
  mappedPrefix(a, to)
    .load32(1, 6, at.local4)
    .store32(10, to + 12, 1)
    .jump("enter");
  a.label("address6");
  for (const word of words) a.load32(1, 6, at.local6 + word).store32(10, to + word, 1);
  a.jump("enter");
  any4(a.label("any4"), to).jump("enter");
  any6(a.label("any6"), to);
  a.label("enter").ifNotNull(7, "within").load64(1, 8, usage.listeners).set(2, LISTENERS_MAX).ifAtLeast(1, 2, "lost");
  a.label("within");
  for (let slot = 0; slot < LISTENER_SLOTS; slot++) {
    // The last slot goes to the latest, so that a listener that outlives all others is there.
    const flag = slot === LISTENER_SLOTS - 1 ? helperFlags.any : helperFlags.onlyNew;
    a.store32Immediate(10, LISTENER + listenerKey.slot, slot);
    a.move(1, 6).loadMap(2, maps.listeners).move(3, 10).add(3, LISTENER).set(4, flag);
    a.call(helpers.socketsUpdate).ifNull(0, "entered");
  }
  a.label("lost").set(1, 1).addAtomically(8, usage.lost, 1).jump("done");
  a.label("entered").ifNotNull(7, "done").load32(1, 9, binding.kind).add(1, LISTENING).store32(9, binding.kind, 1);
  a.set(1, 1).addAtomically(8, usage.listeners, 1);
  return a.label("done").set(0, 1).exit().assemble();
}

/**
 * Finds the listener for a TCP connection to any address of a container that has several: its wildcard binds went to a
 * primary address. Runs for a whole network namespace, and leaves all but containers' addresses alone.
 *
 * @param namespace number of the network namespace that it will be attached to.
 */
export function lookup(maps: ConfinementMaps, namespace: bigint): Buffer {
  const { lookup: at } = contexts;
  const a = new Assembler().move(6, 1).load32(1, 6, at.protocol).ifNotEqual(1, protocols.tcp, "pass");
  const local = ADDRESS + addressKey.address;
  a.load32(7, 6, at.family).ifEqual(7, families.inet6, "local6");
  mappedPrefix(a, local)
    .load32(1, 6, at.local4)
    .store32(10, local + 12, 1)
    .jump("owner");
  a.label("local6");
  for (const word of words) a.load32(1, 6, at.local6 + word).store32(10, local + word, 1);
  a.label("owner")
    .set64(1, namespace)
    .store64(10, ADDRESS + addressKey.namespace, 1);
  a.loadMap(1, maps.addresses).move(2, 10).add(2, ADDRESS).call(helpers.mapLookup).ifNull(0, "pass");
  a.load32(1, 0, owner.looked).ifEqual(1, 0, "pass");
  a.load64(1, 0, owner.cgroup).store64(10, CGROUP, 1);
  a.load32(1, 6, at.localPort).store32(10, LISTENER + listenerKey.port, 1);

  // A listener on this very address goes first; the kernel finds it by itself.
  const to = LISTENER + listenerKey.address;
  for (const word of words) a.load32(1, 10, local + word).store32(10, to + word, 1);
  findIn(a, maps, "address", () => a.move(1, 0).call(helpers.socketRelease).jump("pass"));
  a.ifEqual(7, families.inet6, "any6");
  findIn(any4(a, to), maps, "any4", () => assign(a));
  // A socket for IPv6 alone is not given IPv4, where there is IPv6: the kernel refuses to assign it.
  findIn(any6(a.label("any6"), to), maps, "any6", () => assign(a));
  return a.label("pass").set(0, 1).exit().assemble();
}

/** Looks into the slots of the key; `found` has the socket in r0, of which it must let go, and leaves. */
function findIn(a: Assembler, maps: ConfinementMaps, name: string, found: () => unknown): void {
  for (let slot = 0; slot < LISTENER_SLOTS; slot++) {
    a.store32Immediate(10, LISTENER + listenerKey.slot, slot);
    a.loadMap(1, maps.listeners).move(2, 10).add(2, LISTENER).call(helpers.mapLookup);
    a.ifNull(0, `${name}${slot + 1}`);
    found();
    a.label(`${name}${slot + 1}`);
  }
}

function assign(a: Assembler): void {
  a.move(8, 0).move(1, 6).move(2, 8).set(3, 0).call(helpers.socketAssign);
  a.move(1, 8).call(helpers.socketRelease).jump("pass");
}

function mappedPrefix(a: Assembler, to: number): Assembler {
  return a
    .store32Immediate(10, to, 0)
    .store32Immediate(10, to + 4, 0)
    .store32Immediate(10, to + 8, MAPPED_WORD);
}

function any4(a: Assembler, to: number): Assembler {
  return mappedPrefix(a, to).store32Immediate(10, to + 12, 0);
}

function any6(a: Assembler, to: number): Assembler {
  for (const word of words) a.store32Immediate(10, to + word, 0);
  return a;
}
