//! The Linux side of the supervisor. The wire format above it knows no kernel.

mod capability;
mod cgroup;
mod device;
mod init;
mod layer;
mod members;
mod mount;
mod passwd;
mod payload;
mod process;
mod root;
mod seccomp;
mod start;
pub mod supervisor;
mod sys;
mod terminal;
