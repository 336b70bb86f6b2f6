import { IPPROTO_TCP, IPPROTO_UDP } from "../../../ffi/linux/abi/sock-diag.ts";
import { deleteTracked, type TrackedConnection, trackedConnections } from "../../../ffi/linux/conntrack.ts";
import { type NetlinkSocket, openRtnetlink } from "../../../ffi/linux/netlink/socket.ts";
import { listAddresses } from "../../../ffi/linux/rtnl/address.ts";
import {
  addressKey,
  hostsAmong,
  type IsOlder,
  isAgainst,
  isOlderThan,
  type Older,
  type OlderConnection,
} from "../../network/older.ts";
import type { Policy } from "../../network/policy.ts";
import type { Family } from "../../network/subnet.ts";
import { ALIAS_PROTOCOL } from "./interfaces.ts";

const protocols = new Map([
  [IPPROTO_TCP, "tcp"],
  [IPPROTO_UDP, "udp"],
] as const);

/** Deletes the connections that a change of the rules makes older than them. */
export function deleteOlder(socket: NetlinkSocket, older: Older): void {
  const { subnets, addresses, ports } = older;
  const wide = subnets.length + addresses.length > 0;
  if (!wide && ports.length === 0) return;
  const isOlder = isOlderThan(older, hostsAmong(hostAddresses));
  for (const family of [4, 6] as const) {
    const wanted = ports
      .filter((port) => port.family === family)
      .flatMap(({ protocol, hostPort: { first, last } }) =>
        Array.from({ length: last - first + 1 }, (_, index) => ({
          protocol: protocol === "tcp" ? IPPROTO_TCP : IPPROTO_UDP,
          port: first + index,
        })),
      );
    deleteMatching(socket, family, isOlder, wide ? undefined : wanted);
  }
}

/** Deletes all connections that do what the policy does not provide for. */
export function deleteAgainst(socket: NetlinkSocket, policy: Policy): void {
  const isOlder = isAgainst(policy, hostsAmong(hostAddresses));
  for (const family of [4, 6] as const) deleteMatching(socket, family, isOlder);
}

function deleteMatching(
  socket: NetlinkSocket,
  family: Family,
  isOlder: IsOlder,
  ports?: readonly { readonly protocol: number; readonly port: number }[],
): void {
  const tracked = trackedConnections(socket, {
    family: family === 4 ? "inet" : "inet6",
    ...(ports !== undefined && { ports }),
  });
  deleteTracked(
    socket,
    tracked.filter((connection) => isOlder(described(connection, family))),
  );
}

function described({ protocol, original, reply, assured }: TrackedConnection, family: Family): OlderConnection {
  const end = ({ address, port }: TrackedConnection["original"]["source"]) => ({ address: addressKey(address), port });
  return {
    family,
    protocol: protocols.get(protocol as 6 | 17),
    before: { from: end(original.source), to: end(original.destination) },
    after: { from: end(reply.destination), to: end(reply.source) },
    accepted: assured,
    passage: "both",
  };
}

/** Without those that klee gave the host for containers. */
function hostAddresses(): string[] {
  using socket = openRtnetlink();
  return listAddresses(socket)
    .filter(({ protocol }) => protocol !== ALIAS_PROTOCOL)
    .map(({ address }) => address);
}
