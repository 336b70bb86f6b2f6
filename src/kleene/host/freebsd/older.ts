import * as pf from "../../../ffi/freebsd/pf/index.ts";
import { lazy } from "../../../ffi/library.ts";
import {
  addressKey,
  hostsAmong,
  isAgainst,
  isOlderThan,
  type Older,
  type OlderConnection,
} from "../../network/older.ts";
import type { Policy } from "../../network/policy.ts";
import { hostAddresses } from "./interfaces.ts";

const protocols = new Map([
  [pf.IPPROTO_TCP, "tcp"],
  [pf.IPPROTO_UDP, "udp"],
] as const);

/** Ends the connections that a change of the rules makes older than them. */
export function killOlder(device: pf.PfDevice, older: Older): void {
  const { subnets, addresses, ports } = older;
  if (subnets.length + addresses.length + ports.length === 0) return;
  const isOlder = isOlderThan(older, hostsAmong(bareAddresses));
  pf.killStatesWhere(
    device,
    (state) => isOlder(described(state)),
    () => filtersOf(older),
  );
}

/** Ends all connections that do what the policy does not provide for. */
export function killAgainst(device: pf.PfDevice, policy: Policy): void {
  const isOlder = isAgainst(policy, hostsAmong(bareAddresses));
  pf.killStatesWhere(
    device,
    (state) => isOlder(described(state)),
    // What a policy allows is more than a filter can say: connections to its ports alone.
    () => filtersOf({ subnets: [], addresses: [], ports: policy.ports }),
  );
}

function described({ family, protocol, inward, established, wire, stack }: pf.PfState): OlderConnection {
  const flow = ({ from, to }: pf.PfFlow): OlderConnection["before"] => ({
    from: { address: addressKey(from.address), port: from.port },
    to: { address: addressKey(to.address), port: to.port },
  });
  const [before, after] = inward ? [wire, stack] : [stack, wire];
  return {
    family,
    protocol: protocols.get(protocol as 6 | 17),
    before: flow(before),
    after: flow(after),
    accepted: established,
    passage: inward ? "in" : "out",
  };
}

/** The same as far as pf itself can look for it. */
function filtersOf({ subnets, addresses, ports }: Older): pf.PfStateFilter[] {
  const networks = [...subnets, ...addresses].map(pf.parseNetwork);
  const hosts = lazy(bareAddresses);
  return [
    ...networks.flatMap((network) => [{ end: "from", network } as const, { end: "to", network } as const]),
    ...ports.flatMap((port) => {
      const own = port.address === "" ? hosts() : [port.address];
      return own
        .map(pf.parseNetwork)
        .filter(({ family }) => family === port.family)
        .map((network) => ({
          end: "to" as const,
          network,
          protocol: port.protocol === "tcp" ? pf.IPPROTO_TCP : pf.IPPROTO_UDP,
          ports: port.hostPort,
        }));
    }),
  ];
}

/** Without those of klee's own interfaces; a container's on an interface of yours counts. */
const bareAddresses = (): string[] => hostAddresses().map((address) => address.replace(/[%/].*$/, ""));
