import { readFileSync } from "node:fs";

/** System call numbers of FreeBSD, sys/syscall.h. */
export const SYS = {
  close: 6,
  getsockname: 32,
  ioctl: 54,
  socket: 97,
  bind: 104,
  jail_attach: 436,
  jail_get: 506,
  jail_set: 507,
  jail_remove: 508,
  open: 5,
  sysctl: 202,
  nmount: 378,
  rctl_get_racct: 525,
  rctl_get_rules: 526,
  rctl_add_rule: 528,
} as const;

/**
 * One call that a running FreeBSD 12.1-STABLE amd64 kernel answered. Pointers among the bytes are zeroed. Calls made
 * inside a jail were sent in batches: the first call of a batch carries the input buffers of all of it, and the calls
 * after it have none of their own (`in` is null).
 */
export interface Reply {
  /** Which process called; 0 is outside any jail. */
  readonly ctx: number;
  readonly sys: number;
  readonly args: readonly (number | string)[];
  readonly rval: number;
  readonly errno: number;
  /** Input buffers, hex. */
  readonly in: readonly string[] | null;
  /** Output buffers by the index of the input buffer, hex. */
  readonly out: Readonly<Record<string, string>> | null;
}

/** How many calls the recording holds in all; those not used are the payloads' own, on sockets, files and processes. */
export const RECORDED_CALLS = 189;

/** The recorded calls of a file in their order, each with its own or its batch's input buffers. */
export function readReplies(file: "replies.jsonl" | "replies-pf.jsonl" | "replies-system.jsonl"): Reply[] {
  let batch: readonly string[] = [];
  const text = readFileSync(new URL(file, import.meta.url), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const reply = JSON.parse(line) as Reply;
      batch = reply.in ?? batch;
      return { ...reply, in: batch };
    });
}
