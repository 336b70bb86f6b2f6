/** Replays recorded calls in a process of its own, which attaches to the jail of the first one. Arguments: the calls, JSON. */
import type { Reply } from "../ffi/freebsd/replies.ts";
import { replays } from "./replay.ts";

const [calls = "[]"] = process.argv.slice(2);
for (const [index, reply] of (JSON.parse(calls) as Reply[]).entries())
  replays(reply, `call ${index} in a jail: ${reply.sys} ${reply.args.join(" ")}`);
