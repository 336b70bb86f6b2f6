import { readFileSync } from "node:fs";
import { formatAddress } from "../../../ffi/inet.ts";
import type { HostListener } from "../host.ts";

/** proc(5): /proc/net/{tcp,tcp6,udp,udp6}, states as in <net/tcp_states.h>. */
const LISTENING = { tcp: "0A", udp: "07" } as const;

/** Sockets of this network namespace that wait for connections or datagrams, those of containers among them. */
export function listListeners(): HostListener[] {
  return (["tcp", "udp"] as const).flatMap((protocol) =>
    ["", "6"].flatMap((family) =>
      parseSockets(readTable(`/proc/thread-self/net/${protocol}${family}`))
        .filter(({ state }) => state === LISTENING[protocol])
        .map(({ address, port }) => ({ protocol, address, port })),
    ),
  );
}

/** A kernel without IPv6 has no tables of it. */
function readTable(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}

/** Reads `sl: LOCAL:PORT REMOTE:PORT STATE ...`, addresses in hex by words of the machine's byte order. */
export function parseSockets(table: string): { address: string; port: number; state: string }[] {
  return [...table.matchAll(/^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) /gm)].map(
    ([, words = "", port = "", state = ""]) => ({
      address: formatAddress(Buffer.from(words, "hex").swap32()),
      port: Number.parseInt(port, 16),
      state,
    }),
  );
}
