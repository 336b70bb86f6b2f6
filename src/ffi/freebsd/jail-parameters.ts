/**
 * What jail parameters there are and of which type, by asking the kernel: sysctl(3), security.jail.param. Modules add
 * some when they are loaded (`allow.mount.zfs`, `linux`).
 */
import { FieldError } from "../struct.ts";
import { MAXHOSTNAMELEN, MAXPATHLEN } from "./abi/param.ts";
import {
  CTLFLAG_TUN,
  CTLFLAG_WR,
  CTLTYPE_INT,
  CTLTYPE_LONG,
  CTLTYPE_STRING,
  CTLTYPE_UINT,
  CTLTYPE_ULONG,
} from "./abi/sysctl.ts";
import { type JailAction, type JailParams, type JailQuery, type JailTypes, valueForms } from "./jail-encoding.ts";
import { type SysctlVariable, sysctlString, sysctlVariable, sysctlVariables } from "./sysctl.ts";

/** A parameter of jails as the kernel describes it. */
export interface JailParameter {
  readonly name: string;
  readonly type: keyof JailTypes;
  /** Bytes of a value, or of each address of a list; of a string at most so many, its NUL included. 0: not known. */
  readonly size: number;
  /** When jail_set(2) takes it. */
  readonly settable: "always" | "creation" | "never";
  /** Its own members can be given as well, each a string: `meta.NAME`. */
  readonly keyed: boolean;
}

const NODE = "security.jail.param";
const INT_SIZE = 4;
const LONG_SIZE = 8;

/** Those that each supported kernel has, sys/kern/kern_jail.c: what most jails are made of costs no question. */
const common: readonly JailParameter[] = [
  { name: "jid", type: "int", size: INT_SIZE, settable: "creation", keyed: false },
  { name: "name", type: "string", size: MAXHOSTNAMELEN, settable: "always", keyed: false },
  { name: "path", type: "string", size: MAXPATHLEN, settable: "creation", keyed: false },
  { name: "persist", type: "bool", size: INT_SIZE, settable: "always", keyed: false },
  { name: "dying", type: "bool", size: INT_SIZE, settable: "never", keyed: false },
  { name: "host.hostname", type: "string", size: MAXHOSTNAMELEN, settable: "always", keyed: false },
  { name: "devfs_ruleset", type: "int", size: INT_SIZE, settable: "always", keyed: false },
  { name: "enforce_statfs", type: "int", size: INT_SIZE, settable: "always", keyed: false },
  { name: "allow.raw_sockets", type: "bool", size: INT_SIZE, settable: "always", keyed: false },
  { name: "ip4", type: "sys", size: INT_SIZE, settable: "creation", keyed: false },
  { name: "ip4.addr", type: "ip4", size: 4, settable: "always", keyed: false },
  { name: "ip6", type: "sys", size: INT_SIZE, settable: "creation", keyed: false },
  { name: "ip6.addr", type: "ip6", size: 16, settable: "always", keyed: false },
];
const known = new Map(common.map((parameter) => [parameter.name, parameter]));

/** Parameters that jail_set(2) and jail_get(2) take and no variable tells of. */
const UNTOLD = ["lastjid", "desc"];

function typeOf({ type, format }: SysctlVariable): { type: keyof JailTypes; size: number } {
  switch (type) {
    case CTLTYPE_INT:
    case CTLTYPE_UINT:
      if (format === "B") return { type: "bool", size: INT_SIZE };
      return { type: format === "E,jailsys" ? "sys" : "int", size: INT_SIZE };
    case CTLTYPE_LONG:
    case CTLTYPE_ULONG:
      return { type: "long", size: LONG_SIZE };
    case CTLTYPE_STRING:
      return { type: "string", size: 0 };
  }
  if (format === "S,in_addr,a") return { type: "ip4", size: 4 };
  return format === "S,in6_addr,a" ? { type: "ip6", size: 16 } : { type: "bytes", size: 0 };
}

function described(variable: SysctlVariable): JailParameter {
  // One that has others below it ends with a dot.
  const name = variable.name.slice(NODE.length + 1).replace(/\.$/, "");
  const found = known.get(name);
  if (found !== undefined) return found;
  const { type, size } = typeOf(variable);
  const parameter: JailParameter = {
    name,
    type,
    // A string's variable holds the most that it may take, in digits.
    size: type === "string" ? Number(sysctlString(variable.name)) : size,
    settable: variable.flags & CTLFLAG_WR ? "always" : variable.flags & CTLFLAG_TUN ? "creation" : "never",
    keyed: variable.format === "A,keyvalue",
  };
  known.set(name, parameter);
  return parameter;
}

/**
 * The kernel's description of a parameter, asked for once.
 *
 * @param name without the `no` of a negative form.
 * @returns undefined when the kernel has none of this name.
 */
export function jailParameter(name: string): JailParameter | undefined {
  const found = known.get(name);
  if (found !== undefined) return found;
  const variable = sysctlVariable(`${NODE}.${name}`);
  return variable === undefined ? undefined : described(variable);
}

/** All parameters that the kernel has, in its order. */
export function jailParameters(): JailParameter[] {
  return sysctlVariables(NODE).map(described);
}

/** The parameter that a name of jail_set(2) or jail_get(2) is of: its own, its negative's, or that of the whole it is a member of. */
function parameterOf(name: string): JailParameter {
  const itself = jailParameter(name);
  if (itself !== undefined) return itself;
  const positive = name.replace(/(^|\.)no([^.]*)$/, "$1$2");
  const negated = positive === name ? undefined : jailParameter(positive);
  if (negated?.type === "bool") return negated;
  const dot = name.indexOf(".");
  const whole = dot < 0 ? undefined : jailParameter(name.slice(0, dot));
  if (whole?.keyed) return whole;
  throw new FieldError(`${name}: the kernel has no such jail parameter`);
}

/**
 * Checks what jail_set(2) would refuse without naming the parameter: names, types, sizes, and when each can be set.
 * The kernel is asked of each parameter once.
 *
 * @throws {FieldError} which names the parameter.
 */
export function checkJailParams(params: JailParams, actions: readonly JailAction[]): void {
  for (const [name, value] of Object.entries(params)) {
    if (UNTOLD.includes(name)) continue;
    const parameter = parameterOf(name);
    if (parameter.settable === "never") throw new FieldError(`${name}: a jail parameter that cannot be set`);
    // The id is what an update finds the jail by.
    if (parameter.settable === "creation" && actions.includes("update") && name !== "jid")
      throw new FieldError(`${name}: a jail parameter that cannot be changed after creation`);
    if (value instanceof Uint8Array) checkBytes(name, parameter, value);
    else if (!valueForms[parameter.type].is(value))
      throw new FieldError(`${name}: a jail parameter that takes ${valueForms[parameter.type].means}`);
    else if (typeof value === "string") checkString(name, parameter, value);
    else if (Array.isArray(value)) checkAddresses(name, value);
  }
}

function checkString(name: string, { size }: JailParameter, value: string): void {
  const bytes = Buffer.byteLength(value);
  if (size > 0 && bytes >= size)
    throw new FieldError(`${name}: ${bytes} bytes, and the kernel has room for ${size - 1}`);
}

function checkBytes(name: string, { type, size }: JailParameter, { length }: Uint8Array): void {
  const list = type === "ip4" || type === "ip6";
  const fits = type === "string" ? length <= size : list ? length % size === 0 : length === size;
  if (size > 0 && !fits) throw new FieldError(`${name}: ${length} bytes, not ${list ? "a multiple of " : ""}${size}`);
}

function checkAddresses(name: string, addresses: readonly string[]): void {
  const twice = addresses.find((address, index) => addresses.indexOf(address) !== index);
  if (twice !== undefined) throw new FieldError(`${name}: ${twice} is named twice`);
}

/** Checks that parameters are read as what they are. @throws {FieldError} which names the parameter. */
export function checkJailQuery(query: JailQuery): void {
  for (const [name, type] of Object.entries(query)) {
    const parameter = parameterOf(name);
    if (type !== parameter.type && type !== "bytes")
      throw new FieldError(`${name}: a jail parameter of type ${parameter.type}, not ${type}`);
  }
}

/** What a jail is asked for all its parameters with, without those that make no sense in one query. */
export function queryOfAll(without: string): JailQuery {
  return Object.fromEntries(
    jailParameters()
      .filter(({ name }) => name !== without && !UNTOLD.includes(name))
      .map(({ name, type }) => [name, type]),
  );
}
