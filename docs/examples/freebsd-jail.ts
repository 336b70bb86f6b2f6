// A jail on a ZFS clone, with devices, an address and a limit. Run as root on FreeBSD.
import { devfs, ifaddr, ifclone, jail, mount, rctl, SyscallError, zfs } from "klee/ffi/freebsd";

const DEVFS_RULESET_JAIL = 4;

zfs.createSnapshots(["zroot/base@web"]);
zfs.cloneDataset("zroot/base@web", "zroot/web", { mountpoint: "none" });
mount.mountZfs("zroot/web", "/jails/web");
// A ruleset that nobody loaded would hide nothing.
if (!devfs.devfsRulesets().includes(DEVFS_RULESET_JAIL)) throw new Error("load /etc/defaults/devfs.rules first");
mount.mountDevfs("/jails/web/dev", DEVFS_RULESET_JAIL);

const loopback = ifclone.createInterface("lo");
ifaddr.addAlias({ interface: loopback, address: "10.2.3.1" });

try {
  const jid = jail.jailSet({ path: "/jails/web", name: "web", persist: true, "ip4.addr": ["10.2.3.1"] }, "create");
  rctl.addLimit(`jail:web:memoryuse:deny=${512 * 1024 * 1024}`);
  console.log(`jail ${jid} uses ${rctl.usage("jail:web").get("memoryuse")} bytes`);
} catch (error) {
  if (error instanceof SyscallError && error.code === "ENOSYS") console.error("no limits: kern.racct.enable is 0");
  else throw error;
}
