//! A model of a FreeBSD kernel (amd64) behind the C functions that klee binds. It parses FreeBSD's bytes and answers as
//! the real kernel did (the recorded replies are its tests), refuses what that would refuse, and shares its state with
//! other processes. See `state` for what it is made of, `kernel` for its boot and its calls, and `exports` for the functions.

pub mod descriptor;
pub mod devfs;
pub mod errno;
pub mod exports;
pub mod family;
pub mod fault;
pub mod files;
pub mod interface;
pub mod jail;
pub mod kernel;
pub mod link;
pub mod memory;
pub mod mount;
pub mod nvlist;
pub mod options;
pub mod pf;
pub mod process;
pub mod queue;
pub mod rctl;
pub mod socket;
pub mod state;
pub mod sysctl;
pub mod zfs;
