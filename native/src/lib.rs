//! The addon: starts supervisors, passes their messages on, and relays terminals. Numbers and strings only; what they
//! mean is decided in `src/ffi/native.ts`.
#![cfg(feature = "addon")]

#[cfg(target_os = "linux")]
#[path = "linux/cgroup.rs"]
mod cgroup;
mod addon {
    #[cfg(target_os = "linux")]
    mod cgroup;
    mod console;
    mod executable;
    mod keys;
    mod readable;
    mod relay;
    mod spawn;
    mod streams;
    mod supervisor;
    mod sys;
    mod terminal;
}
mod wire;
