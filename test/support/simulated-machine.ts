import type { SimulatedMachine } from "./simulator.ts";

const UP_LOOPBACK = 0x8049;
const UP_ETHERNET = 0x8843;

/** A host with a network card and a default route, as FreeBSD's installer leaves it. */
export const ordinaryMachine: SimulatedMachine = {
  interfaces: [
    {
      name: "em0",
      index: 1,
      driver: "em",
      flags: UP_ETHERNET,
      groups: ["all", "egress"],
      addresses: [
        { ip: "192.0.2.1", prefix: 24, broadcast: "192.0.2.255" },
        { ip: "2001:db8::1", prefix: 64 },
      ],
    },
    {
      name: "lo0",
      index: 2,
      driver: "lo",
      flags: UP_LOOPBACK,
      groups: ["all", "lo"],
      addresses: [
        { ip: "127.0.0.1", prefix: 8 },
        { ip: "::1", prefix: 128 },
        { ip: "fe80::1", prefix: 64 },
      ],
    },
  ],
  default4: "em0",
  default6: "em0",
};

const CONTAINERS = [
  ...["60cda25ed29c", "7ca36ccba0e9", "a0411a8ec55b", "b46061298d9f", "50232dfeebdf", "bcd45133fa60", "184edd9068dd"],
].map((id) => `/var/db/klee/containers/${id}/root`);

/** The host on which the calls of release 15.1 were recorded. */
export const recordedMachine: SimulatedMachine = {
  ...ordinaryMachine,
  interfaces: [
    ...(ordinaryMachine.interfaces ?? []),
    { name: "pflog0", index: 3, driver: "pflog", flags: 0, groups: ["all", "pflog"], addresses: [] },
  ],
  release: 15,
  hostname: "fb15",
  directories: ["/var/base/dev", "/var/db/klee", ...CONTAINERS, ...CONTAINERS.map((root) => `${root}/dev`)],
  real: false,
  modules: ["if_bridge", "if_epair", "nullfs", "pf", "zfs"],
};
