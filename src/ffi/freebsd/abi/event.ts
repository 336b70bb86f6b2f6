import { bytes, i16, i64, pointer, struct, u16, u32, u64 } from "../../struct.ts";

/** Headers that a C probe of this module includes, in order. */
export const headers = ["sys/types.h", "sys/event.h"] as const;

/** What is waited for, and what has come. */
export const kevent = struct("struct kevent", "sys/event.h", 64, {
  ident: [0, u64],
  filter: [8, i16],
  flags: [10, u16],
  fflags: [12, u32],
  data: [16, i64],
  udata: [24, pointer],
  ext: [32, bytes(32)],
});

/** Of a process, by its number. */
export const EVFILT_PROC = -5;
/** Of a process, by its descriptor, pdfork(2). */
export const EVFILT_PROCDESC = -8;

export const EV_ADD = 0x1;
export const EV_DELETE = 0x2;
/** Told of once, and then deleted. */
export const EV_ONESHOT = 0x10;
/** Told of again only when it comes again. */
export const EV_CLEAR = 0x20;
/** Nothing more can come. */
export const EV_EOF = 0x8000;
/** `data` is an errno. */
export const EV_ERROR = 0x4000;

/** The process has ended; `data` is its status as wait(2) has it. */
export const NOTE_EXIT = 0x80000000;
export const NOTE_FORK = 0x40000000;
export const NOTE_EXEC = 0x20000000;
