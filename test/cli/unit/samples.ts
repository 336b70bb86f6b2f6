import type { Container, ContainerListing, Image, Network, Volume } from "../../../src/kleene/model.ts";

/** The walkthrough's network. */
export const testnet: Network = {
  exclude: [],
  gateway: "<auto>",
  gateway6: "<auto>",
  icc: true,
  id: "6b933304be4a",
  interface: "kleene0",
  internal: false,
  log: false,
  ip_range: [],
  name: "testnet",
  nat: "em0",
  subnet: "10.2.3.0/24",
  subnet6: "",
  type: "loopback",
};

/** The walkthrough's second container. */
export const hungryKnuth: Container = {
  cmd: ["host", "freebsd.org"],
  created: "2024-02-26T08:52:13.530611Z",
  dataset: "zroot/kleene/container/f455de07ac84",
  env: [],
  exit_code: 0,
  id: "f455de07ac84",
  image_id: "11370bfb4a88",
  limits: { cpus: null, memory: null, pids: null, ports: null },
  jail_param: ["mount.devfs", 'exec.stop="/bin/sh /etc/rc.shutdown jail"'],
  name: "hungry_knuth",
  network_driver: "ipnet",
  persist: false,
  public_ports: [],
  restart_policy: "no",
  restarts: 0,
  running: false,
  user: "root",
  workdir: "",
};

/** The walkthrough's containers, newest first. */
export const listings: readonly ContainerListing[] = [
  {
    id: "f455de07ac84",
    name: "hungry_knuth",
    image: "FreeBSD:latest",
    command: ["host", "freebsd.org"],
    created: "2024-02-26T08:52:13.530611Z",
    status: "running",
    jid: 3,
  },
  {
    id: "d763328950a2",
    name: "strange_moser",
    image: "FreeBSD:latest",
    command: ["ifconfig"],
    created: "2024-02-26T08:40:00.000000Z",
    status: "stopped",
    jid: undefined,
  },
];

export const freebsd: Image = {
  cmd: ["/bin/sh"],
  created: "2024-02-20T08:00:00.000000Z",
  dns: true,
  dataset: "zroot/kleene/image/11370bfb4a88",
  env: [],
  id: "11370bfb4a88",
  instructions: [],
  name: "FreeBSD",
  tag: "latest",
  user: "root",
};

export const data: Volume = {
  created: "2024-02-26T08:52:13.530611Z",
  dataset: "zroot/klee/volume/0a1b2c3d4e5f",
  mountpoint: "/var/db/klee/volumes/0a1b2c3d4e5f/root",
  name: "data",
};
