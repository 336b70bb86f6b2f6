import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { makeWhiteout, setAttribute } from "../../../ffi/linux/file.ts";
import { makeDirectory } from "../store-directories.ts";

/**
 * What the image of the running system does not have, by path: whiteouts (Documentation/filesystems/overlayfs.rst), so that
 * they have never been there for the container, which may make its own.
 */
const HIDDEN: readonly string[] = [
  // Passwords and keys of this host.
  "/etc/shadow",
  "/etc/shadow-",
  "/etc/gshadow",
  "/etc/gshadow-",
  "/etc/security/opasswd",
  "/etc/krb5.keytab",
  "/etc/ssh/ssh_host_rsa_key",
  "/etc/ssh/ssh_host_ecdsa_key",
  "/etc/ssh/ssh_host_ed25519_key",
  "/etc/ssh/ssh_host_dsa_key",
  "/etc/ssl/private",
  "/etc/letsencrypt",
  "/etc/wireguard",
  "/etc/openvpn",
  "/etc/ipsec.secrets",
  "/etc/ipsec.d/private",
  "/etc/NetworkManager/system-connections",
  "/etc/netplan",
  "/etc/sudoers",
  "/etc/sudoers.d",
  "/etc/credstore",
  "/etc/credstore.encrypted",
  "/var/lib/systemd/credential.secret",
  "/var/backups",
  // Stores of other tools.
  "/etc/kubernetes",
  "/etc/docker",
  "/var/lib/docker",
  "/var/lib/containers",
  "/var/lib/containerd",
  "/var/lib/kubelet",
  "/var/lib/etcd",
  "/var/lib/rancher",
  "/var/lib/libvirt",
  "/var/lib/lxc",
  "/var/lib/lxd",
  "/var/lib/machines",
];

/** Of a directory: nothing of the layers below shows in it. */
const OPAQUE = "trusted.overlay.opaque";

/** Directories that programs expect, with their modes: the container has its own, empty. */
const EMPTIED: Readonly<Record<string, number>> = {
  "/home": 0o755,
  "/root": 0o700,
  "/tmp": 0o1777,
  "/var/log": 0o755,
  "/var/mail": 0o2775,
  "/var/spool": 0o755,
  "/var/tmp": 0o1777,
};

/**
 * Hides the host's secrets from a container, in its own layer.
 *
 * @param upper the layer.
 * @param stores where klee keeps what it has: hidden, too.
 */
export function hideSecrets(upper: string, stores: readonly string[]): void {
  for (const [path, mode] of Object.entries(EMPTIED)) {
    if (!hasRealParents(path) || !isDirectory(path)) continue;
    makeParents(upper, path);
    makeDirectory(`${upper}${path}`, mode);
    setAttribute(Buffer.from(`${upper}${path}`), OPAQUE, Buffer.from("y"));
  }
  for (const path of new Set([...HIDDEN, ...stores])) {
    // Below one that is hidden, or emptied, there is nothing.
    const isBelow = [...HIDDEN, ...Object.keys(EMPTIED)].some((other) => path.startsWith(`${other}/`));
    if (isBelow || !hasRealParents(path)) continue;
    makeParents(upper, path);
    makeWhiteout(`${upper}${path}`);
  }
}

/** Directories of a layer stand for those below them: with their mode and owner. */
function makeParents(layer: string, path: string): void {
  const parent = dirname(path);
  if (parent === "/" || existsSync(`${layer}${parent}`)) return;
  makeParents(layer, parent);
  const { mode, uid, gid } = lstatSync(parent);
  mkdirSync(`${layer}${parent}`);
  chmodSync(`${layer}${parent}`, mode & 0o7777);
  chownSync(`${layer}${parent}`, uid, gid);
}

/** A directory in a layer would take the place of a link. */
function hasRealParents(path: string): boolean {
  const parent = dirname(path);
  return parent === "/" || (isDirectory(parent) && hasRealParents(parent));
}

const isDirectory = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
