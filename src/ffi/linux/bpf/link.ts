import { isErrno } from "../../errno.ts";
import { BPF_LINK_TYPE_NETNS, bpf_attr_get_id, bpf_attr_link_create, bpf_link_info } from "../abi/bpf.ts";
import { Fd } from "../fd.ts";
import { type Hook, hooks } from "./hook.ts";
import { bpf, ifPresent, objectInfo, openById } from "./request.ts";

/**
 * Attaches a program for as long as the returned descriptor, or a copy of it, is open, BPF_LINK_CREATE.
 *
 * @param target a network namespace for the hook `lookup`, else a cgroup.
 * @throws {SyscallError}
 */
export function createLink(program: Fd, target: Fd, hook: Hook): Fd {
  const attr = bpf_attr_link_create.encode({
    "link_create.prog_fd": program.number,
    "link_create.target_fd": target.number,
    "link_create.attach_type": hooks[hook].attachType,
  });
  return new Fd(bpf("LINK_CREATE", `${program.object} to ${target.object}`, attr), `link of ${program.object}`);
}

/** Ids of all links of the system, in ascending order, BPF_LINK_GET_NEXT_ID. */
export function* linkIds(): Generator<number> {
  let id = 0;
  for (;;) {
    const attr = bpf_attr_get_id.encode({ start_id: id });
    if (ifPresent(() => bpf("LINK_GET_NEXT_ID", String(id), attr)) === undefined) return;
    id = bpf_attr_get_id.decode(attr).next_id;
    yield id;
  }
}

/** A link that exists already, BPF_LINK_GET_FD_BY_ID; undefined when it has gone, or is not yet complete. */
export function openLink(id: number): Fd | undefined {
  try {
    return openById("LINK_GET_FD_BY_ID", "link", id);
  } catch (error) {
    if (isErrno(error, "EAGAIN")) return undefined;
    throw error;
  }
}

/** A link on a network namespace, struct bpf_link_info; undefined for a link of any other type. */
export function namespaceLinkInfo(
  link: Fd,
): { readonly programId: number; readonly namespaceInode: number } | undefined {
  const info = bpf_link_info.encode({});
  objectInfo(link, info);
  const decoded = bpf_link_info.decode(info);
  if (decoded.type !== BPF_LINK_TYPE_NETNS) return undefined;
  return { programId: decoded.prog_id, namespaceInode: decoded["netns.netns_ino"] };
}
