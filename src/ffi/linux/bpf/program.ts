import { isErrno } from "../../errno.ts";
import { addressOf } from "../../library.ts";
import { retry } from "../../retry.ts";
import {
  BPF_F_ALLOW_MULTI,
  bpf_attr_prog_attach,
  bpf_attr_prog_load,
  bpf_attr_prog_query,
  bpf_prog_info,
} from "../abi/bpf.ts";
import { Fd } from "../fd.ts";
import { syscallError } from "../libc.ts";
import { type Hook, hooks } from "./hook.ts";
import { bpf, ifPresent, objectInfo, openById } from "./request.ts";

/** A program to be loaded. */
export interface ProgramDefinition {
  /** At most 15 bytes. */
  readonly name: string;
  /** Where it will be attached. */
  readonly hook: Hook;
  /** From {@link Assembler.assemble}. */
  readonly instructions: Buffer;
}

/** Some helpers are for programs under the GPL alone; the licence is the loaded program's. */
const LICENSE = Buffer.from("GPL\0");
const INSTRUCTION_BYTES = 8;
const LOG_BYTES = 1 << 20;

/**
 * Loads a program, BPF_PROG_LOAD. It stays loaded while a descriptor, an attachment or a link refers to it.
 *
 * @throws {SyscallError} with the end of the verifier's log when it is refused.
 */
export function loadProgram({ name, hook, instructions }: ProgramDefinition): Fd {
  const { type, attachType } = hooks[hook];
  const values = {
    prog_type: type,
    insn_cnt: instructions.length / INSTRUCTION_BYTES,
    insns: addressOf(instructions),
    license: addressOf(LICENSE),
    prog_name: name,
    expected_attach_type: attachType,
  };
  const load = (attr: Buffer): number => uninterrupted(() => bpf("PROG_LOAD", name, attr));
  try {
    return new Fd(load(bpf_attr_prog_load.encode(values)), `program ${name}`);
  } catch (error) {
    if (!isErrno(error, "EINVAL", "EACCES")) throw error;
    // The log costs time and memory, so it is asked for only after a refusal.
    const log = Buffer.alloc(LOG_BYTES);
    const attr = bpf_attr_prog_load.encode({ ...values, log_level: 1, log_size: log.length, log_buf: addressOf(log) });
    try {
      return new Fd(load(attr), `program ${name}`);
    } catch {
      throw syscallError(error.call, error.object, error.errno, lastWords(log));
    }
  }
}

/** A signal, such as a profiler's, makes the verifier give up with EAGAIN: kernel/bpf/verifier.c, do_check(). */
const LOAD_ATTEMPTS = 20;

const uninterrupted = (load: () => number): number => retry(LOAD_ATTEMPTS, (error) => isErrno(error, "EAGAIN"), load);

function lastWords(log: Buffer): string {
  const lines = log
    .toString("latin1", 0, Math.max(0, log.indexOf(0)))
    .trim()
    .split("\n");
  return lines
    .filter((line) => !line.startsWith("processed "))
    .slice(-3)
    .join(" | ");
}

/**
 * Attaches a program to a cgroup beside those that are there, BPF_PROG_ATTACH. It goes with the cgroup.
 *
 * @param cgroup the cgroup's directory.
 * @throws {SyscallError} EPERM as well when a cgroup above admits no programs below its own.
 */
export function attachProgram(cgroup: Fd, program: Fd, hook: Hook): void {
  bpf(
    "PROG_ATTACH",
    `${program.object} to ${cgroup.object}`,
    bpf_attr_prog_attach.encode({
      target_fd: cgroup.number,
      attach_bpf_fd: program.number,
      attach_type: hooks[hook].attachType,
      attach_flags: BPF_F_ALLOW_MULTI,
    }),
  );
}

/** The kernel allows as many on one cgroup. */
const PROGRAMS_MAX = 64;

/** Ids of the programs that are attached to this very cgroup at one hook, BPF_PROG_QUERY; none when it has gone. */
export function queryPrograms(cgroup: Fd, hook: Hook): number[] {
  const ids = Buffer.alloc(4 * PROGRAMS_MAX);
  const attr = bpf_attr_prog_query.encode({
    "query.target_fd": cgroup.number,
    "query.attach_type": hooks[hook].attachType,
    "query.prog_ids": addressOf(ids),
    "query.prog_cnt": PROGRAMS_MAX,
  });
  if (ifPresent(() => bpf("PROG_QUERY", cgroup.object, attr)) === undefined) return [];
  const count = bpf_attr_prog_query.decode(attr)["query.prog_cnt"];
  return Array.from({ length: count }, (_, index) => ids.readUInt32LE(4 * index));
}

/** A program that is loaded already, BPF_PROG_GET_FD_BY_ID; undefined when it has gone. */
export function openProgram(id: number): Fd | undefined {
  return openById("PROG_GET_FD_BY_ID", "program", id);
}

const MAPS_MAX = 64;

/** What the kernel tells of a loaded program. */
export interface ProgramInfo {
  readonly name: string;
  /** Of the maps it uses. */
  readonly mapIds: readonly number[];
}

/** What a program is called and uses, struct bpf_prog_info. */
export function programInfo(program: Fd): ProgramInfo {
  const ids = Buffer.alloc(4 * MAPS_MAX);
  const info = bpf_prog_info.encode({ nr_map_ids: MAPS_MAX, map_ids: addressOf(ids) });
  objectInfo(program, info);
  const { name, nr_map_ids } = bpf_prog_info.decode(info);
  const count = Math.min(nr_map_ids, MAPS_MAX);
  return { name, mapIds: Array.from({ length: count }, (_, index) => ids.readUInt32LE(4 * index)) };
}
