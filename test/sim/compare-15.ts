import { nameOf, type Player, type RecordedCall } from "./record.ts";

const DIOCGETSTATES = 0xc0104419;
const DIOCGETSTATUSNV = 0xc0184415;
const ENOMEM = 12;
/** kern.proc */
const PROCESSES = "010000000e000000";
const mibOf = ({ args }: RecordedCall): string => (typeof args[0] === "string" ? args[0] : "");

/** Calls that give time, chance, or another machine's state: they succeed or fail alike, the bytes are not compared. */
export const notCompared: readonly {
  readonly what: string;
  readonly is: (call: RecordedCall, name: string) => boolean;
}[] = [
  {
    what: "getifaddrs, freeifaddrs: a list in memory of the process",
    is: (_, name) => /^(get|free)ifaddrs$/.test(name),
  },
  {
    what: "sysctl net.route: another machine's routes",
    is: (call, name) => name === "sysctl" && mibOf(call).startsWith("0400000011000000"),
  },
  {
    what: "sysctl kern.proc: another machine's processes",
    is: (call, name) => name === "sysctl" && mibOf(call).startsWith(PROCESSES),
  },
  {
    what: "sysctlbyname kern.boottime: a time",
    is: ({ args }, name) => name === "sysctlbyname" && args[0] === "kern.boottime",
  },
  {
    what: "sysctlbyname kern.boot_id: chance",
    is: ({ args }, name) => name === "sysctlbyname" && args[0] === "kern.boot_id",
  },
  { what: "DIOCGETSTATUSNV: counters and times", is: ({ args }) => args[1] === DIOCGETSTATUSNV },
  { what: "DIOCGETSTATES: the recorder's own connections", is: ({ args }) => args[1] === DIOCGETSTATES },
  { what: "statfs, getfsstat: another machine's file systems", is: (_, name) => /^(statfs|getfsstat)$/.test(name) },
  {
    what: "rctl_get_racct: what the processes of the recorder's jails used",
    is: ({ result }, name) => name === "rctl_get_racct" && result !== -1,
  },
  { what: "modfind: numbers by the order of loading", is: ({ result }, name) => name === "modfind" && result !== -1 },
];

const DIOCGETRULENV = 0xc0184407;
const DIOCKILLSTATESNV = 0xc0184429;
/** Parts of name-value lists that count packets and connections, or are times and pids: left out on both sides. */
export const countedParts: ReadonlyMap<unknown, readonly string[]> = new Map([
  [DIOCGETRULENV, ["evaluations", "packets", "bytes", "timestamp", "states_cur", "states_tot", "cpid"]],
  [DIOCKILLSTATESNV, ["killed"]],
]);

/** Sizes in the head of a pair of sys/contrib/libnv: that of its data, before the count of elements and the name. */
const SIZE_BEFORE_NAME = 16;

/** The buffer without what {@link countedParts} names. */
function uncounted(buffer: Buffer, call: RecordedCall): string {
  for (const name of countedParts.get(call.args[1]) ?? []) {
    const key = Buffer.from(`${name}\0`);
    const at = buffer.indexOf(key);
    if (at === -1) continue;
    const start = at + key.length;
    buffer.fill(0, start, start + Number(buffer.readBigUInt64LE(at - SIZE_BEFORE_NAME)));
  }
  return buffer.toString("hex");
}

/** What differs between a recorded call and this one; empty when nothing does. */
function difference(call: RecordedCall, player: Player): string {
  const { result, errno, buffers } = player.play(call);
  const name = nameOf(call);
  const excused = notCompared.some(({ is }) => is(call, name));
  // Numbers of modules and mounts are another machine's, too, and of processes there may be more here than there was room for.
  if (excused && /^(modfind|getfsstat)$/.test(name)) return result === -1 ? `errno ${errno}` : "";
  if (excused && mibOf(call).startsWith(PROCESSES) && errno === ENOMEM) return "";
  if (call.result !== undefined && result !== call.result) return `result ${result} (${errno}), not ${call.result}`;
  if (call.result === -1 && errno !== call.errno) return `errno ${errno}, not ${call.errno}`;
  if (excused) return "";
  for (const [index, buffer] of buffers.entries()) {
    if (buffer === undefined) continue;
    const recorded = Buffer.from(String(call.after[index] ?? call.args[index]), "hex");
    const [given, expected] = [buffer, recorded].map((one) => uncounted(one, call));
    if (given !== expected) return `argument ${index}: ${given}, not ${expected}`;
  }
  return "";
}

/** Makes the calls; tells which came out otherwise, a line each. `before` is called before each one with its number. */
export function differences(
  calls: readonly RecordedCall[],
  player: Player,
  before: (number: number) => void = () => {},
): string[] {
  return calls.flatMap((call, number) => {
    before(number);
    const differs = difference(call, player);
    return differs === "" ? [] : [`call ${number}, ${call.step}: ${nameOf(call)}: ${differs}`];
  });
}
