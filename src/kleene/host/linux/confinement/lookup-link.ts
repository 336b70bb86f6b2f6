import * as bpf from "../../../../ffi/linux/bpf/index.ts";
import { openCgroup } from "../../../../ffi/linux/cgroup.ts";
import type { Fd } from "../../../../ffi/linux/fd.ts";
import {
  networkNamespaceCookie,
  networkNamespaceInode,
  openNetworkNamespace,
} from "../../../../ffi/linux/network-namespace.ts";
import type { Attachment } from "./attachment.ts";
import { waitForLock } from "./lock.ts";
import { lookupProgram, recognise } from "./programs.ts";

/**
 * The link of the look-up program to this process's network namespace; made when there is none. It lives while somebody
 * holds a descriptor of it, so nothing is pinned and nothing is left behind.
 */
export function openLookupLink({ maps, path }: Attachment): Fd {
  const addresses = bpf.mapInfo(maps.addresses).id;
  const inode = networkNamespaceInode();
  const found = findLink(addresses, inode);
  if (found !== undefined) return found;
  using lock = openCgroup(path) ?? null;
  if (lock !== null) waitForLock(lock);
  const meanwhile = findLink(addresses, inode);
  if (meanwhile !== undefined) return meanwhile;
  using program = bpf.loadProgram(lookupProgram(maps, networkNamespaceCookie()));
  using namespace = openNetworkNamespace();
  return bpf.createLink(program, namespace, "lookup");
}

/** A link of an earlier parent cgroup's maps may still be there, held by a supervisor that is about to end. */
function findLink(addressesMap: number, namespaceInode: number): Fd | undefined {
  for (const id of bpf.linkIds()) {
    const link = bpf.openLink(id);
    if (link === undefined) continue;
    const info = bpf.namespaceLinkInfo(link);
    if (info?.namespaceInode === namespaceInode && isOwn(info.programId, addressesMap)) return link;
    link.close();
  }
  return undefined;
}

function isOwn(programId: number, addressesMap: number): boolean {
  using program = bpf.openProgram(programId) ?? null;
  if (program === null) return false;
  const { name, mapIds } = bpf.programInfo(program);
  return recognise(name, "lookup") === "own" && mapIds.includes(addressesMap);
}
