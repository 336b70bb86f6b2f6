import { ioctl, ior, iow } from "../../ioc.ts";
import { pointer, struct, u8, u16, u32 } from "../../struct.ts";
import { ifreq } from "./interface.ts";

/** Headers that a C probe of this module includes, in order. */
export const headers = ["sys/types.h", "sys/time.h", "sys/socket.h", "sys/ioccom.h", "net/if.h", "net/bpf.h"] as const;

export const bpf_insn = struct("struct bpf_insn", "net/bpf.h", 8, {
  code: [0, u16],
  jt: [2, u8],
  jf: [3, u8],
  k: [4, u32],
});

export const bpf_program = struct("struct bpf_program", "net/bpf.h", 16, {
  bf_len: [0, u32],
  bf_insns: [8, pointer],
});

/** Before each frame that is read; the frame begins `bh_hdrlen` bytes after its start. */
export const bpf_hdr = struct("struct bpf_hdr", "net/bpf.h", 32, {
  bh_caplen: [16, u32],
  bh_datalen: [20, u32],
  bh_hdrlen: [24, u16],
});

/** Frames begin at multiples of this. */
export const BPF_ALIGNMENT = 8;
export const BPF_D_IN = 0;

const number = { size: u32.size };
export const BIOCGBLEN = ioctl("BIOCGBLEN", "net/bpf.h", ior("B", 102, number));
export const BIOCSETF = ioctl("BIOCSETF", "net/bpf.h", iow("B", 103, bpf_program));
export const BIOCSETIF = ioctl("BIOCSETIF", "net/bpf.h", iow("B", 108, ifreq));
export const BIOCIMMEDIATE = ioctl("BIOCIMMEDIATE", "net/bpf.h", iow("B", 112, number));
export const BIOCSHDRCMPLT = ioctl("BIOCSHDRCMPLT", "net/bpf.h", iow("B", 117, number));
export const BIOCSDIRECTION = ioctl("BIOCSDIRECTION", "net/bpf.h", iow("B", 119, number));
