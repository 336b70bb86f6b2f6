/**
 * The constants, structs and request numbers that the bindings use, one namespace for each file: `abi.interfaces.ifreq`,
 * `abi.jail.JAIL_CREATE`. A compiler compares each with the headers that its namespace names. For calls of your own.
 */
export * as bpf from "./abi/bpf.ts";
export * as devfs from "./abi/devfs.ts";
export * as directory from "./abi/directory.ts";
export * as errno from "./abi/errno.ts";
export * as event from "./abi/event.ts";
export * as event15 from "./abi/event15.ts";
export * as fcntl from "./abi/fcntl.ts";
export * as file from "./abi/file.ts";
export * as interfaces from "./abi/interface.ts";
export * as jail from "./abi/jail.ts";
export * as jail15 from "./abi/jail15.ts";
export * as mount from "./abi/mount.ts";
export * as param from "./abi/param.ts";
export * as pf from "./abi/pf.ts";
export * as pf14 from "./abi/pf14.ts";
export * as proc from "./abi/process.ts";
export * as route from "./abi/route.ts";
export * as socket from "./abi/socket.ts";
export * as sysctl from "./abi/sysctl.ts";
export * as uio from "./abi/uio.ts";
