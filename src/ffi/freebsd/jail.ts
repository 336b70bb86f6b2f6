import { isErrno } from "../errno.ts";
import { retry } from "../retry.ts";
import { FieldError } from "../struct.ts";
import { JAIL_ATTACH, JAIL_CREATE, JAIL_DYING, JAIL_UPDATE } from "./abi/jail.ts";
import { type IovMemory, type IovPair, lengthAt, room, valueAt } from "./iovec.ts";
import { callJail, describeKey } from "./jail-call.ts";
import {
  decodeJailValue,
  encodeJailParams,
  fixedSize,
  type JailAction,
  type JailKey,
  type JailParams,
  type JailQuery,
  type JailTypes,
  type JailValues,
  likelySize,
} from "./jail-encoding.ts";
import { checkJailParams, checkJailQuery, queryOfAll } from "./jail-parameters.ts";
import { cFunction, syscall } from "./libc.ts";

export { jailAttachDescriptor, jailDescriptor, jailOfDescriptor, jailRemoveDescriptor } from "./jail-descriptor.ts";
export type { JailAction } from "./jail-encoding.ts";
export { type JailParameter, jailParameter, jailParameters } from "./jail-parameters.ts";

const jail_attach = cFunction<[number], number>("int jail_attach(int jid)");
const jail_remove = cFunction<[number], number>("int jail_remove(int jid)");

const actionFlags = { create: JAIL_CREATE, update: JAIL_UPDATE, attach: JAIL_ATTACH } as const;

/** The flags of jail_set(2) for these actions. */
export function jailFlags(actions: readonly JailAction[]): number {
  return actions.reduce((sum, action) => sum | actionFlags[action], 0);
}

/** How often a query is repeated when a value grew between being measured and being read. */
const QUERY_ATTEMPTS = 4;

/**
 * Creates or changes a jail, jail_set(2).
 *
 * Without `attach` a new jail needs `persist: true`. Path, `vnet`, `ip4` and `ip6` cannot be changed later, nor be given
 * again in an update. Parameters are checked before the call, by what the kernel says of each ({@link jailParameter}).
 *
 * @param action what is to be done; several may be: create and attach, or create if there is none, else update.
 * @returns the jail's id.
 * @throws {SyscallError} with the kernel's own message; {FieldError} which names the parameter that is unknown, of
 * another type or size, or not to be set.
 */
export function jailSet(params: JailParams, action: JailAction, ...more: readonly JailAction[]): number {
  const actions = [action, ...more];
  checkJailParams(params, actions);
  const object = String(params.name ?? params.jid ?? "");
  return jailSetPairs(object, encodeJailParams(params), jailFlags(actions));
}

/** jail_set(2) as it is, unchecked: parameters as bytes, and flags. @param object what errors call the jail. */
export function jailSetPairs(object: string, pairs: readonly IovPair[], flags: number): number {
  return callJail("jail_set", object, pairs, flags).jid;
}

/**
 * Replaces the addresses of a running jail; sockets that are open keep theirs. The jail must have been created with
 * `ip4.addr` (`ip6.addr`), be it empty. Add an alias to the interface before, remove it after.
 *
 * @throws {SyscallError} EADDRINUSE when another jail has one of the addresses.
 */
export function jailSetAddresses(
  jid: number,
  addresses: { readonly ip4?: readonly string[]; readonly ip6?: readonly string[] },
): void {
  jailSet(
    {
      jid,
      ...(addresses.ip4 && { "ip4.addr": addresses.ip4 }),
      ...(addresses.ip6 && { "ip6.addr": addresses.ip6 }),
    },
    "update",
  );
}

/**
 * Name and value bytes of a query. A room of 0 bytes asks for the value's length alone.
 *
 * @param rooms bytes to keep for each parameter's value.
 */
export function encodeJailQuery(key: JailKey, rooms: Rooms): IovPair[] {
  return [...Object.entries(rooms).map(([name, bytes]) => room(name, bytes)), ...encodeJailParams(key)];
}

/**
 * Reads parameters of a jail, jail_get(2).
 *
 * @param query parameter names with their types, as in `{ path: "string", "ip4.addr": "ip4", persist: "bool" }`.
 * @param options `dying` also finds a jail that is removed but still holds resources.
 * @returns the jail's id and the values.
 * @throws {SyscallError} ENOENT when there is no such jail; {FieldError} for an unknown parameter, or one of another
 * type, and when the key is among the parameters, since the kernel takes a name but once.
 */
export function jailGet<const Q extends JailQuery>(
  key: JailKey,
  query: Q,
  options: { readonly dying?: boolean } = {},
): { readonly jid: number; readonly values: JailValues<Q> } {
  const flags = options.dying ? JAIL_DYING : 0;
  const object = describeKey(key);
  const parameters = Object.entries(query);
  const repeated = Object.keys(key).find((name) => name in query);
  if (repeated !== undefined) throw new FieldError(`${repeated} is given as the key and cannot be asked for`);
  checkJailQuery(query);
  const exact = parameters.every(([, type]) => fixedSize(type) !== undefined);
  let rooms = likelyRooms(parameters) ?? measureRooms(key, parameters, flags);
  const hasMeasured = (error: unknown): boolean => {
    if (exact || !isErrno(error, "EINVAL")) return false;
    rooms = measureRooms(key, parameters, flags);
    return true;
  };
  return retry(QUERY_ATTEMPTS, hasMeasured, () => {
    const { jid, iov } = callJail("jail_get", object, encodeJailQuery(key, rooms), flags);
    return { jid, values: decodeValues(parameters, iov) as JailValues<Q> };
  });
}

/** All that the kernel tells of a jail: its parameters by name. As {@link jailGet}. */
export function jailGetAll(
  key: JailKey,
  options: { readonly dying?: boolean } = {},
): { readonly jid: number; readonly values: Readonly<Record<string, JailTypes[keyof JailTypes]>> } {
  return jailGet(key, queryOfAll(Object.keys(key).join()), options);
}

type Parameters = readonly (readonly [name: string, type: keyof JailTypes])[];
/** Bytes to keep for the value of each parameter. */
export type Rooms = Readonly<Record<string, number>>;

/** Room without asking the kernel; undefined where only it knows. Most queries are of strings and so need one call. */
function likelyRooms(parameters: Parameters): Rooms | undefined {
  const rooms: Record<string, number> = {};
  for (const [name, type] of parameters) {
    const bytes = likelySize(name, type);
    if (bytes === undefined) return undefined;
    rooms[name] = bytes;
  }
  return rooms;
}

/** Has the kernel tell how long the values are. */
function measureRooms(key: JailKey, parameters: Parameters, flags: number): Rooms {
  const none = Object.fromEntries(parameters.map(([name, type]) => [name, fixedSize(type) ?? 0]));
  const { iov } = callJail("jail_get", describeKey(key), encodeJailQuery(key, none), flags);
  return Object.fromEntries(parameters.map(([name], index) => [name, lengthAt(iov, index)]));
}

function decodeValues(parameters: Parameters, iov: IovMemory): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [index, [name, type]] of parameters.entries()) {
    // Of the room for it the value takes no more than the kernel says.
    values[name] = decodeJailValue(type, valueAt(iov, index).subarray(0, lengthAt(iov, index)));
  }
  return values;
}

/** The id of the jail with this name, or undefined when there is none. */
export function jailId(name: string): number | undefined {
  return unlessAbsent(() => jailGet({ name }, {}).jid);
}

/** Ids of all jails the caller can see, ascending. */
export function jailIds(options: { readonly dying?: boolean } = {}): number[] {
  const ids: number[] = [];
  for (;;) {
    const lastjid = ids.at(-1) ?? 0;
    const jid = unlessAbsent(() => jailGet({ lastjid }, {}, options).jid);
    if (jid === undefined) return ids;
    ids.push(jid);
  }
}

/** Reads the same parameters of all jails. A jail that goes meanwhile is left out. */
export function jailList<const Q extends JailQuery>(
  query: Q,
  options: { readonly dying?: boolean } = {},
): { readonly jid: number; readonly values: JailValues<Q> }[] {
  return jailIds(options)
    .map((jid) => unlessAbsent(() => jailGet({ jid }, query, options)))
    .filter((jail) => jail !== undefined);
}

function unlessAbsent<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/**
 * Puts the whole calling process into a jail, jail_attach(2): every thread, for good, with the jail's root as root and
 * working directory. Only for a process that exists to run in the jail.
 *
 * @throws {SyscallError} EINVAL when there is no such jail; EPERM when a directory is open that must not be.
 */
export function jailAttach(jid: number): void {
  syscall({ call: "jail_attach", object: String(jid) }, () => jail_attach(jid));
}

/**
 * Removes a jail and the jails within, killing their processes, jail_remove(2). The jail may stay dying for a while.
 *
 * @throws {SyscallError} EINVAL when there is no such jail.
 */
export function jailRemove(jid: number): void {
  syscall({ call: "jail_remove", object: String(jid) }, () => jail_remove(jid));
}
