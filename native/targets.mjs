// The targets that klee's native parts are built for, by the ends of their packages' names: Node's names of system and
// processor and, on Linux, of the C library.

/** What is built runs on these releases and later ones; Node 20 asks for no older a glibc. */
const FREEBSD = "14.0";
const GLIBC = "2.28";

/** As Node loads an addon: with the system's C library. */
const LOADED = { gnu: "", musl: "-C target-feature=-crt-static -C link-self-contained=no" };
/** A program that needs nothing of the system. */
const ALONE = "-C target-feature=+crt-static -C link-self-contained=no -C relocation-model=static";

const linux = (cpu, libc, processor) => ({
  os: "linux",
  cpu,
  libc: { gnu: "glibc", musl: "musl" }[libc],
  addon: {
    rust: `${processor}-unknown-linux-${libc}`,
    zig: libc === "gnu" ? `${processor}-linux-gnu.${GLIBC}` : `${processor}-linux-musl`,
    flags: LOADED[libc],
  },
  // Before its first line glibc asks the processor some 80 things, each of which a virtual machine's host answers.
  supervisor: { rust: `${processor}-unknown-linux-musl`, zig: `${processor}-linux-musl`, flags: ALONE },
});

const freebsd = (cpu, processor) => {
  const both = { rust: `${processor}-unknown-freebsd`, zig: `${processor}-freebsd.${FREEBSD}`, flags: "" };
  return { os: "freebsd", cpu, addon: both, supervisor: both };
};

export const TARGETS = {
  "linux-x64-gnu": linux("x64", "gnu", "x86_64"),
  "linux-x64-musl": linux("x64", "musl", "x86_64"),
  "linux-arm64-gnu": linux("arm64", "gnu", "aarch64"),
  "linux-arm64-musl": linux("arm64", "musl", "aarch64"),
  "freebsd-x64": freebsd("x64", "x86_64"),
  "freebsd-arm64": freebsd("arm64", "aarch64"),
};
/** In each target's package. */
export const FILES = ["klee.node", "klee-supervisor", "node_sqlite3.node"];
