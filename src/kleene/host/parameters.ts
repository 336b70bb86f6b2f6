import { KleeError } from "../errors.ts";
import type { JailParameters, OtherParameter } from "./host.ts";
import { whyRefused } from "./refused.ts";

/** A parameter of a host's own: how its value is written, and the kernel's type of it. */
export type ParameterKind = "boolean" | "text" | "number" | "jailsys";

/** The parameters that a host has besides the ones every host has, by name: undefined when it has none such. */
export type HostParameters = (name: string) => ParameterKind | undefined;

/** jail.conf(5): how long exec.stop, and processes after SIGTERM, have. Unlike jail(8), klee never waits without an end. */
const DEFAULT_SECONDS = 10;

/** The jail(8) parameters that every host has: `boolean` ones have a `no` form, `text` and `seconds` ones a value. */
const common = {
  "allow.raw_sockets": "boolean",
  "host.hostname": "text",
  persist: "boolean",
  "mount.devfs": "boolean",
  "exec.clean": "boolean",
  "exec.start": "text",
  "exec.stop": "text",
  "exec.timeout": "seconds",
  "stop.timeout": "seconds",
  "exec.jail_user": "text",
} as const;
type Name = keyof typeof common;

const isCommon = (name: string): name is Name => Object.hasOwn(common, name);

/**
 * Types `-J` parameters as jail(8) reads them: `name`, `name=value`, `noname`, the value in quotes or not. The last of
 * several wins.
 *
 * @param host the host's name, for messages.
 * @throws {KleeError} INVALID for a malformed one, UNSUPPORTED for one that this host does not have.
 */
export function parseParameters(
  parameters: readonly string[],
  defaultHostname: string,
  host: string,
  hostParameters: HostParameters,
): JailParameters {
  const values = new Map<Name, string | boolean | number>();
  const others: Record<string, OtherParameter> = {};
  for (const parameter of parameters) {
    const { name, kind, negated, value } = split(parameter, host, hostParameters);
    if (kind === "seconds") values.set(name as Name, readSeconds(parameter, name, negated, value));
    else if (!isCommon(name)) others[name] = readOther(parameter, name, kind, negated, value);
    else if (kind === "boolean") values.set(name, readBoolean(parameter, negated, value));
    else values.set(name, readText(parameter, name, negated, value));
  }
  const flag = (name: Name): boolean | undefined => values.get(name) as boolean | undefined;
  const text = (name: Name): string | undefined => values.get(name) as string | undefined;
  const milliseconds = (name: Name): number => 1000 * ((values.get(name) as number | undefined) ?? DEFAULT_SECONDS);
  return {
    rawSockets: flag("allow.raw_sockets") ?? false,
    hostname: text("host.hostname") ?? defaultHostname,
    persist: flag("persist") ?? false,
    mountDevfs: flag("mount.devfs") ?? false,
    execClean: flag("exec.clean") ?? true,
    execStart: text("exec.start") ?? "",
    execStop: text("exec.stop") ?? "",
    execTimeoutMs: milliseconds("exec.timeout"),
    stopTimeoutMs: milliseconds("stop.timeout"),
    jailUser: text("exec.jail_user"),
    others,
  };
}

interface Parameter {
  readonly name: string;
  readonly kind: ParameterKind | "seconds";
  readonly negated: boolean;
  readonly value: string | undefined;
}

function split(parameter: string, host: string, hostParameters: HostParameters): Parameter {
  const match = /^\s*([a-z0-9_]+(?:\.[a-z0-9_]+)*)\s*(?:=(.*))?$/s.exec(parameter);
  const [, name = "", rawValue] = match ?? [];
  if (match === null) throw malformed(parameter, "give NAME or NAME=VALUE");
  const value = rawValue === undefined ? undefined : unquote(rawValue.trim());
  const kindOf = (wanted: string): ParameterKind | "seconds" | undefined =>
    isCommon(wanted) ? common[wanted] : hostParameters(wanted);
  const kind = kindOf(name);
  if (kind !== undefined) return { name, kind, negated: false, value };
  // `allow.noraw_sockets`, `nopersist`: "no" before the last component. `exec.nostop` is jail(8)'s way to say: no such command.
  const positive = name.replace(/(^|\.)no([^.]*)$/, "$1$2");
  const negatedKind = kindOf(positive);
  if (negatedKind !== undefined) return { name: positive, kind: negatedKind, negated: true, value };
  const why = whyRefused(name) ?? whyRefused(positive);
  const reason = why === undefined ? "" : `: ${why}`;
  throw new KleeError("UNSUPPORTED", `jail parameter ${name} is not available on ${host}${reason}`);
}

function readOther(
  parameter: string,
  name: string,
  kind: ParameterKind,
  negated: boolean,
  value: string | undefined,
): OtherParameter {
  if (kind === "boolean") return readBoolean(parameter, negated, value);
  if (negated || value === undefined || value.includes("\0")) throw malformed(parameter, `give ${name}=VALUE`);
  if (kind === "text") return value;
  if (kind === "jailsys") {
    if (value === "new" || value === "inherit" || value === "disable") return { sys: value };
    throw malformed(parameter, "the value is new, inherit or disable");
  }
  if (!/^-?\d{1,9}$/.test(value)) throw malformed(parameter, "the value is a number");
  return Number(value);
}

function readSeconds(parameter: string, name: string, negated: boolean, value: string | undefined): number {
  if (negated || value === undefined) throw malformed(parameter, `give ${name}=SECONDS`);
  // Milliseconds of more do not fit into a timer.
  if (!/^\d{1,6}$/.test(value)) throw malformed(parameter, "the value is a number of seconds, 999999 at most");
  return Number(value);
}

function readBoolean(parameter: string, negated: boolean, value: string | undefined): boolean {
  if (value === undefined) return !negated;
  if (negated) throw malformed(parameter, "a 'no' form takes no value");
  if (value === "true" || value === "1") return true;
  if (value === "false" || value === "0") return false;
  throw malformed(parameter, "the value is true or false");
}

function readText(parameter: string, name: Name, negated: boolean, value: string | undefined): string {
  if (negated && value === undefined && (name === "exec.stop" || name === "exec.start")) return "";
  if (negated || value === undefined || value.includes("\0")) throw malformed(parameter, `give ${name}=VALUE`);
  if (name === "host.hostname" && !/^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,62}[a-zA-Z0-9])?$/.test(value))
    throw malformed(parameter, "a host name has letters, digits, '.' and '-', 64 at most");
  if (name === "exec.jail_user" && value === "") throw malformed(parameter, `give ${name}=USER`);
  return value;
}

function unquote(value: string): string {
  const quoted = /^(["'])(.*)\1$/s.exec(value);
  return quoted?.[2] ?? value;
}

function malformed(parameter: string, why: string): KleeError {
  return new KleeError("INVALID", `invalid jail parameter ${JSON.stringify(parameter)}: ${why}`);
}
