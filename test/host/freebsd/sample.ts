import {
  type Policy,
  type PolicyContainer,
  type PolicyNetwork,
  type PublishedOn,
  policyOf,
} from "../../../src/kleene/network/policy.ts";

export const loopback: PolicyNetwork = {
  id: "6b933304be4a",
  name: "testnet",
  interface: "kleene0",
  exclusive: true,
  subnet: "10.2.3.0/24",
  subnet6: "fd00:2:3::/64",
  gateway: "",
  gateway6: "",
  nat: "em0",
  icc: true,
  internal: false,
  log: false,
};
export const secluded: PolicyNetwork = {
  ...loopback,
  id: "0a1b2c3d4e5f",
  name: "secluded",
  interface: "kleene1",
  subnet: "10.4.0.0/16",
  subnet6: "",
  nat: "",
  icc: false,
  internal: true,
};
export const custom: PolicyNetwork = {
  ...loopback,
  id: "c0ffee123456",
  name: "lan",
  interface: "em0",
  exclusive: false,
  subnet: "192.0.2.0/24",
  subnet6: "",
  nat: "",
  icc: false,
};

export function published(hostPort: number, containerPort: number, place: Partial<PublishedOn> = {}): PublishedOn {
  return {
    protocol: "tcp",
    interface: "",
    address: "",
    hostPort: { first: hostPort, last: hostPort },
    containerPort: { first: containerPort, last: containerPort },
    ...place,
  };
}

export const web: PolicyContainer = {
  id: "d763328950a2",
  name: "web",
  rawSockets: false,
  attachments: [{ network: loopback, ipv4: "10.2.3.1", ipv6: "fd00:2:3::1" }],
  ports: [
    published(8080, 80, { interface: "em0" }),
    published(9000, 90, { hostPort: { first: 9000, last: 9009 }, containerPort: { first: 90, last: 99 } }),
    published(5353, 53, { protocol: "udp", address: "127.0.0.1" }),
  ],
};
export const database: PolicyContainer = {
  id: "f455de07ac84",
  name: "database",
  rawSockets: false,
  attachments: [
    { network: secluded, ipv4: "10.4.0.1", ipv6: "" },
    { network: loopback, ipv4: "10.2.3.2", ipv6: "" },
  ],
  ports: [],
};
export const neighbour: PolicyContainer = {
  id: "abcdef012345",
  name: "neighbour",
  rawSockets: false,
  attachments: [{ network: custom, ipv4: "192.0.2.77", ipv6: "" }],
  ports: [],
};

export const sample: Policy = policyOf([loopback, secluded, custom], [web, database, neighbour]);
