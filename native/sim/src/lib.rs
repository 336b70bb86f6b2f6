//! A model of a FreeBSD kernel (amd64) behind the C functions that klee binds. It parses FreeBSD's bytes and answers as
//! the real kernel did (the recorded replies are its tests), refuses what that would refuse, and shares its state with
//! other processes. See `kernel` for the state and `exports` for the functions.

pub mod errno;
pub mod memory;
pub mod pf;
