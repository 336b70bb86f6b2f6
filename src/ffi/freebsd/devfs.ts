import { isErrno } from "../errno.ts";
import { FieldError } from "../struct.ts";
import {
  DEVFS_MAGIC,
  DEVFSIO_RADD,
  DEVFSIO_SAPPLY,
  DEVFSIO_SGETNEXT,
  DEVFSIO_SUSE,
  DRA_BACTS,
  DRA_INCSET,
  DRB_HIDE,
  DRB_UNHIDE,
  DRC_PATHPTRN,
  devfs_rule,
} from "./abi/devfs.ts";
import { type IoctlCall, ioctlOn, openDevice } from "./control.ts";
import type { Fd } from "./fd.ts";

/** A rule of a ruleset: shows, hides or includes another ruleset, for the nodes whose path fits the pattern. */
export interface DevfsRule {
  /** `pts/*`; all nodes unless told. */
  readonly path?: string;
  /** What is done. */
  readonly action: "hide" | "unhide" | { readonly include: number };
}

const MAX_RULESET = 0xffff;
/** Any devfs mount answers; the rulesets are the kernel's. */
const DEVFS = "/dev";

function rulesetCell(number: number): Buffer {
  if (!Number.isInteger(number) || number < 0 || number > MAX_RULESET) {
    throw new FieldError(`a devfs ruleset is 0 to ${MAX_RULESET}, not ${number}`);
  }
  const cell = Buffer.alloc(2);
  cell.writeUInt16LE(number);
  return cell;
}

/** The call that adds a rule at the end of a ruleset. @throws {FieldError} when number or pattern do not fit. */
export function encodeDevfsRule(ruleset: number, { path, action }: DevfsRule): IoctlCall {
  const include = typeof action === "object" ? action.include : undefined;
  return {
    ioctl: DEVFSIO_RADD,
    object: `ruleset ${ruleset}`,
    argument: devfs_rule.encode({
      dr_magic: DEVFS_MAGIC,
      dr_id: rulesetCell(ruleset).readUInt16LE(0) * 0x10000,
      ...(path !== undefined && { dr_icond: DRC_PATHPTRN, dr_pathptrn: path }),
      ...(include === undefined
        ? { dr_iacts: DRA_BACTS, dr_bacts: action === "hide" ? DRB_HIDE : DRB_UNHIDE }
        : { dr_iacts: DRA_INCSET, dr_incset: include }),
    }),
  };
}

/**
 * Numbers of the rulesets that have rules, ascending. A jail's /dev with a ruleset that is not among them shows every
 * device: check before mounting. The host's own are loaded by devfs(8) from devfs.rules(5).
 *
 * @throws {SyscallError} EPERM in a jail.
 */
export function devfsRulesets(): number[] {
  using fd = openDevice(DEVFS, "read");
  const rulesets: number[] = [];
  for (;;) {
    const next = nextRuleset(fd, rulesets.at(-1) ?? 0);
    if (next === undefined) return rulesets;
    rulesets.push(next);
  }
}

/** Has this ruleset rules? See {@link devfsRulesets}. @throws {SyscallError} EPERM in a jail. */
export function hasDevfsRuleset(ruleset: number): boolean {
  if (ruleset <= 0) return false;
  using fd = openDevice(DEVFS, "read");
  return nextRuleset(fd, ruleset - 1) === ruleset;
}

/** The first ruleset with a higher number. */
function nextRuleset(fd: Fd, number: number): number | undefined {
  try {
    const call = { ioctl: DEVFSIO_SGETNEXT, object: `after ${number}`, argument: rulesetCell(number) };
    return ioctlOn(fd, call).argument.readUInt16LE(0);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Adds rules at the end of a ruleset, which comes into being with the first. @throws {SyscallError} EPERM in a jail. */
export function addDevfsRules(ruleset: number, rules: readonly DevfsRule[]): void {
  using fd = openDevice(DEVFS, "read");
  for (const rule of rules) ioctlOn(fd, encodeDevfsRule(ruleset, rule));
}

/** Has a devfs mount follow a ruleset, for the nodes it has and those to come. @throws {SyscallError} */
export function applyDevfsRuleset(path: string, ruleset: number): void {
  const argument = rulesetCell(ruleset);
  using fd = openDevice(path, "read");
  for (const ioctl of [DEVFSIO_SUSE, DEVFSIO_SAPPLY]) ioctlOn(fd, { ioctl, object: `${path} ${ruleset}`, argument });
}
