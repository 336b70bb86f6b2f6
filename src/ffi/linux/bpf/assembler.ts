import { BPF_PSEUDO_KFUNC_CALL, BPF_PSEUDO_MAP_FD } from "../abi/bpf.ts";
import type { Fd } from "../fd.ts";

/** Register number: r0 the result, r1-r5 arguments, r6-r9 kept across calls, r10 the frame. */
export type Register = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10;

/** <linux/bpf_common.h>, <linux/bpf.h>: class | source | operation. */
const op = {
  mov64Immediate: 0xb7,
  mov64: 0xbf,
  add64Immediate: 0x07,
  subtract64: 0x1f,
  and64Immediate: 0x57,
  or64: 0x4f,
  load8: 0x71,
  load32: 0x61,
  load64: 0x79,
  store32: 0x63,
  store64: 0x7b,
  store32Immediate: 0x62,
  atomic64: 0xdb,
  jumpIfEqual32: 0x16,
  jumpUnlessEqual32: 0x56,
  jumpIfEqual64: 0x15,
  jumpUnlessSame64: 0x5d,
  jumpIfSame64: 0x1d,
  jumpIfGreater64: 0x2d,
  jumpUnlessLess64: 0x3d,
  jumpUnlessEqual64: 0x55,
  jump: 0x05,
  call: 0x85,
  exit: 0x95,
  loadImmediate64: 0x18,
} as const;

/** What an atomic instruction does, in its immediate. */
const [BPF_ADD, BPF_FETCH] = [0, 1];

/** struct bpf_insn: code u8, dst:4 src:4, off s16, imm s32. */
const INSTRUCTION_BYTES = 8;

/** Writes a BPF program instruction by instruction; jumps go to labels. */
export class Assembler {
  readonly #instructions: Buffer[] = [];
  readonly #labels = new Map<string, number>();
  readonly #jumps: { readonly at: number; readonly label: string }[] = [];

  #emit(code: number, dst: Register, src: Register, offset: number, immediate: number): this {
    const instruction = Buffer.alloc(INSTRUCTION_BYTES);
    instruction[0] = code;
    instruction[1] = (src << 4) | dst;
    instruction.writeInt16LE(offset, 2);
    instruction.writeInt32LE(immediate | 0, 4);
    this.#instructions.push(instruction);
    return this;
  }

  #jumpTo(code: number, register: Register, immediate: number, label: string, other: Register = 0): this {
    this.#jumps.push({ at: this.#instructions.length, label });
    return this.#emit(code, register, other, 0, immediate);
  }

  /** Does a jump so far go to this label? The kernel refuses instructions that nothing leads to. */
  protected isTarget(name: string): boolean {
    return this.#jumps.some(({ label }) => label === name);
  }

  /** Gives the next instruction a name. */
  label(name: string): this {
    if (this.#labels.has(name)) throw new Error(`label ${name} is set twice`);
    this.#labels.set(name, this.#instructions.length);
    return this;
  }

  /** dst = immediate. */
  set(dst: Register, immediate: number): this {
    return this.#emit(op.mov64Immediate, dst, 0, 0, immediate);
  }

  /** dst = src. */
  move(dst: Register, src: Register): this {
    return this.#emit(op.mov64, dst, src, 0, 0);
  }

  /** dst += immediate. */
  add(dst: Register, immediate: number): this {
    return this.#emit(op.add64Immediate, dst, 0, 0, immediate);
  }

  /** dst -= src. */
  subtract(dst: Register, src: Register): this {
    return this.#emit(op.subtract64, dst, src, 0, 0);
  }

  /** dst &= immediate. */
  and(dst: Register, immediate: number): this {
    return this.#emit(op.and64Immediate, dst, 0, 0, immediate);
  }

  /** dst |= src. */
  or(dst: Register, src: Register): this {
    return this.#emit(op.or64, dst, src, 0, 0);
  }

  /** dst = the byte at src + offset. */
  load8(dst: Register, src: Register, offset: number): this {
    return this.#emit(op.load8, dst, src, offset, 0);
  }

  /** dst = the 32 bits at src + offset. */
  load32(dst: Register, src: Register, offset: number): this {
    return this.#emit(op.load32, dst, src, offset, 0);
  }

  /** dst = the 64 bits at src + offset. */
  load64(dst: Register, src: Register, offset: number): this {
    return this.#emit(op.load64, dst, src, offset, 0);
  }

  /** The 32 bits at dst + offset = src. */
  store32(dst: Register, offset: number, src: Register): this {
    return this.#emit(op.store32, dst, src, offset, 0);
  }

  /** The 64 bits at dst + offset = src. */
  store64(dst: Register, offset: number, src: Register): this {
    return this.#emit(op.store64, dst, src, offset, 0);
  }

  /** Adds a register to a number in memory, whoever else does so at once; the register is what was there before. */
  addAtomically(dst: Register, offset: number, src: Register): this {
    return this.#emit(op.atomic64, dst, src, offset, BPF_ADD | BPF_FETCH);
  }

  /** The 32 bits at dst + offset = immediate. */
  store32Immediate(dst: Register, offset: number, immediate: number): this {
    return this.#emit(op.store32Immediate, dst, 0, offset, immediate);
  }

  /** Compares the register's low 32 bits. */
  ifEqual(register: Register, immediate: number, label: string): this {
    return this.#jumpTo(op.jumpIfEqual32, register, immediate, label);
  }

  /** Compares the register's low 32 bits. */
  ifNotEqual(register: Register, immediate: number, label: string): this {
    return this.#jumpTo(op.jumpUnlessEqual32, register, immediate, label);
  }

  /** Compares all 64 bits, as the following do. */
  ifDifferent(register: Register, other: Register, label: string): this {
    return this.#jumpTo(op.jumpUnlessSame64, register, 0, label, other);
  }

  /** Jumps if all 64 bits of both are the same. */
  ifSame(register: Register, other: Register, label: string): this {
    return this.#jumpTo(op.jumpIfSame64, register, 0, label, other);
  }

  /** Unsigned. */
  ifGreater(register: Register, other: Register, label: string): this {
    return this.#jumpTo(op.jumpIfGreater64, register, 0, label, other);
  }

  /** Unsigned. */
  ifAtLeast(register: Register, other: Register, label: string): this {
    return this.#jumpTo(op.jumpUnlessLess64, register, 0, label, other);
  }

  /** Jumps if the register is 0, as a lookup that found nothing. */
  ifNull(register: Register, label: string): this {
    return this.#jumpTo(op.jumpIfEqual64, register, 0, label);
  }

  /** Jumps unless the register is 0. */
  ifNotNull(register: Register, label: string): this {
    return this.#jumpTo(op.jumpUnlessEqual64, register, 0, label);
  }

  /** Jumps always. */
  jump(label: string): this {
    return this.#jumpTo(op.jump, 0, 0, label);
  }

  /** Calls a function of the kernel: arguments in r1 to r5, the result in r0. */
  call(helper: number): this {
    return this.#emit(op.call, 0, 0, 0, helper);
  }

  /** Calls a function of the kernel's that is no helper, by its id among the {@link KernelTypes}. */
  callKernel(id: number): this {
    return this.#emit(op.call, 0, BPF_PSEUDO_KFUNC_CALL, 0, id);
  }

  /** Ends the program; its result is r0. */
  exit(): this {
    return this.#emit(op.exit, 0, 0, 0, 0);
  }

  /** Loads a 64-bit number, two instructions wide. */
  set64(dst: Register, value: bigint): this {
    this.#emit(op.loadImmediate64, dst, 0, 0, Number(BigInt.asIntN(32, value)));
    return this.#emit(0, 0, 0, 0, Number(BigInt.asIntN(32, value >> 32n)));
  }

  /** Loads a map's address, two instructions wide. */
  loadMap(dst: Register, map: Fd): this {
    this.#emit(op.loadImmediate64, dst, BPF_PSEUDO_MAP_FD, 0, map.number);
    return this.#emit(0, 0, 0, 0, 0);
  }

  /** The program, with all jumps resolved. */
  assemble(): Buffer {
    for (const { at, label } of this.#jumps) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new Error(`label ${label} is missing`);
      this.#instructions[at]?.writeInt16LE(target - at - 1, 2);
    }
    return Buffer.concat(this.#instructions);
  }
}
