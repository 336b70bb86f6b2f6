import { isErrno } from "../errno.ts";
import { decodeCString, encodeCString } from "../struct.ts";
import { cFunction, syscall } from "./libc.ts";

type RctlCall = (input: Buffer, inputLength: number, output: Buffer | null, outputLength: number) => number;
const rctl = (name: string): RctlCall =>
  cFunction<Parameters<RctlCall>, number>(
    `int ${name}(const void *inbufp, size_t inbuflen, void *outbufp, size_t outbuflen)`,
  );
const rctl_add_rule = rctl("rctl_add_rule");
const rctl_remove_rule = rctl("rctl_remove_rule");
const rctl_get_rules = rctl("rctl_get_rules");
const rctl_get_racct = rctl("rctl_get_racct");

/** First guess at an answer's size, in bytes; it doubles up to the limit. */
const ANSWER_SIZE = 4096;
const ANSWER_LIMIT = 1 << 20;

/** A rule or filter as the calls take it: its text with the NUL. */
export function encodeRule(rule: string): Buffer {
  return encodeCString(rule, "rctl rule");
}

/** The rules of an answer, one text each. */
export function decodeRules(answer: Buffer): string[] {
  return decodeCString(answer).split(",").filter(Boolean);
}

/** The amounts of an answer, by resource: bytes, seconds, counts or percent, rctl(8). */
export function decodeUsage(answer: Buffer): Map<string, bigint> {
  return new Map(
    decodeRules(answer).map((pair) => {
      const [resource = "", amount = "0"] = pair.split("=");
      return [resource, BigInt(amount)];
    }),
  );
}

function change(call: string, invoke: RctlCall, rule: string): void {
  const input = encodeRule(rule);
  syscall({ call, object: rule }, () => invoke(input, input.length, null, 0));
}

function ask(call: string, invoke: RctlCall, filter: string): Buffer {
  const input = encodeRule(filter);
  for (let size = ANSWER_SIZE; ; size *= 2) {
    const answer = Buffer.alloc(size);
    try {
      syscall({ call, object: filter }, () => invoke(input, input.length, answer, size));
      return answer;
    } catch (error) {
      const short = isErrno(error, "ERANGE");
      if (!short || size >= ANSWER_LIMIT) throw error;
    }
  }
}

/**
 * Adds a limit, rctl_add_rule(2).
 *
 * @param rule `jail:NAME:RESOURCE:ACTION=AMOUNT`; the amount is a plain number, `104857600`, never `100m`.
 * @throws {SyscallError} ENOSYS when the kernel does not account: set kern.racct.enable=1 in loader.conf(5) and boot.
 */
export function addLimit(rule: string): void {
  change("rctl_add_rule", rctl_add_rule, rule);
}

/** Removes all limits that match, `jail:NAME`; rctl_remove_rule(2). @throws {SyscallError} ESRCH when none does. */
export function removeLimits(filter: string): void {
  change("rctl_remove_rule", rctl_remove_rule, filter);
}

/** Limits that match, `jail:NAME`; rctl_get_rules(2). @throws {SyscallError} ENOSYS as {@link addLimit}. */
export function limits(filter: string): string[] {
  return decodeRules(ask("rctl_get_rules", rctl_get_rules, filter));
}

/** What a jail or process uses, `jail:NAME` or `process:PID`; rctl_get_racct(2). @throws {SyscallError} ESRCH */
export function usage(subject: string): Map<string, bigint> {
  return decodeUsage(ask("rctl_get_racct", rctl_get_racct, subject));
}
