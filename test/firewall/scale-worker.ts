import { writeSync } from "node:fs";
import { onCall, printCalls } from "../../src/ffi/trace.ts";
import { LinuxFirewall } from "../../src/kleene/host/linux/firewall.ts";
import {
  containerPolicy,
  type PolicyContainer,
  type PolicyNetwork,
  policyOf,
} from "../../src/kleene/network/policy.ts";
import { enterNetworkNamespace } from "../support/namespaces.ts";

// The trace on stderr, a line before each step.
onCall(printCalls("klee: "));
const NETWORKS = 1000;

const networks = Array.from(
  { length: NETWORKS },
  (_, number): PolicyNetwork => ({
    id: number.toString(16).padStart(12, "a"),
    name: `n${number}`,
    interface: `kleene${number}`,
    exclusive: true,
    subnet: `10.${number >> 8}.${number & 255}.0/24`,
    subnet6: `fd00:${number.toString(16)}::/64`,
    gateway: "",
    gateway6: "",
    nat: "em0",
    icc: number % 2 === 0,
    internal: false,
    log: false,
  }),
);

/** A container with two published ports. */
function container(number: number, network: PolicyNetwork): PolicyContainer {
  const host = 1 + Math.floor(number / NETWORKS);
  return {
    id: number.toString(16).padStart(12, "c"),
    name: `c${number}`,
    rawSockets: false,
    attachments: [
      { network, ipv4: network.subnet.replace("0/24", `${host}`), ipv6: network.subnet6.replace("/64", `${host}`) },
    ],
    ports: [0, 1].map((index) => ({
      protocol: "tcp" as const,
      interface: "em0",
      address: "",
      hostPort: { first: 2000 + 2 * number + index, last: 2000 + 2 * number + index },
      containerPort: { first: 80 + index, last: 80 + index },
    })),
  };
}

function step(name: string, work: () => void): void {
  writeSync(2, `step: ${name}\n`);
  work();
  writeSync(2, `loaded: ${firewall.loaded()}\n`);
}

enterNetworkNamespace();
const firewall = new LinuxFirewall("klee_scale");
const policy = policyOf(
  networks,
  networks.map((network, number) => container(number, network)),
);
const [first] = networks;
if (first !== undefined) {
  const next = container(NETWORKS, first);
  step("load", () => firewall.load(policy));
  step("reload", () => firewall.load(policy));
  step("add two ports", () => firewall.change({ add: containerPolicy(next) }));
  step("remove two ports", () => firewall.change({ remove: containerPolicy(next) }));
  step("add an endpoint", () => firewall.change({ add: containerPolicy({ ...next, ports: [] }) }));
}
