/** Why a parameter that jail.conf(5) has is not klee's to take, and what serves instead. */
const NETWORK = "the network driver decides; use -l, -n and 'klee network connect'";
const HOST_COMMAND = "klee runs no command on the host; run it around klee, or as 'klee events' tells";
const OWN = "klee sets it itself";
const MOUNT = "use -m to mount into a container";

const reasons: Readonly<Record<string, string>> = {
  "exec.prestart": HOST_COMMAND,
  "exec.poststart": HOST_COMMAND,
  "exec.prestop": HOST_COMMAND,
  "exec.poststop": HOST_COMMAND,
  "exec.created": HOST_COMMAND,
  "exec.prepare": HOST_COMMAND,
  "exec.release": HOST_COMMAND,
  command: "give the command after the image, or exec.start",
  "exec.consolelog": "klee keeps what a detached container writes; use 'klee logs'",
  "exec.fib": "a container uses the host's routing table 0; use -n to choose its network",
  "exec.system_user": "klee runs commands as users of the container; use -u or exec.jail_user",
  "exec.system_jail_user": "klee looks users up in the container; use -u or exec.jail_user",
  vnet: NETWORK,
  "vnet.interface": NETWORK,
  interface: NETWORK,
  ip4: NETWORK,
  "ip4.addr": `${NETWORK}, and --ip for an address`,
  "ip4.saddrsel": NETWORK,
  ip6: NETWORK,
  "ip6.addr": `${NETWORK}, and --ip6 for an address`,
  "ip6.saddrsel": NETWORK,
  ip_hostname: NETWORK,
  path: "the root is the container's own file system, made from its image",
  name: "the jail has the container's id; use --name to name the container",
  jid: "the kernel gives jail ids; use the container's name or id",
  host: "a container has a host name of its own; use host.hostname",
  cpuset: "use --cpus to limit processor time",
  depend: "klee starts containers in no order; start them one after another, or use --restart",
  "allow.dying": "a container starts only when its former jail has gone",
  parent: OWN,
  dying: OWN,
  desc: OWN,
  "children.cur": OWN,
  "mount.fstab": MOUNT,
  mount: MOUNT,
  "mount.fdescfs": "klee mounts devices alone, by mount.devfs",
  "mount.procfs": "klee mounts /proc itself on Linux, and never on FreeBSD",
  "zfs.dataset": "a container's dataset is klee's own; use -m for directories of others",
};

/** Parameters that mean something on FreeBSD alone: only a host that does not have them asks. */
const ofFreebsd: Readonly<Record<string, string>> = {
  devfs_ruleset: "the devices of a container are always the same here; mount.devfs says whether it has them",
  "children.max": "a container cannot have jails of its own here",
  sysvmsg: "each container has its own here, as by 'new'",
  sysvsem: "each container has its own here, as by 'new'",
  sysvshm: "each container has its own here, as by 'new'",
};

/** The reason why no container can have this parameter; undefined when nothing is known of it. */
export function whyRefused(name: string): string | undefined {
  for (const table of [reasons, ofFreebsd]) if (Object.hasOwn(table, name)) return table[name];
  return undefined;
}
