//! What a forked child does until it is the container's process: enter, drop every privilege, execute.

use super::capability::{kept, limit_bounding_set, limit_own};
use super::device::replace_null_devices;
use super::passwd::read_regular;
use super::process::Process;
use super::seccomp;
use super::sys::close_on_exec_from;
use super::terminal::take_terminal;
use crate::common::command::{Program, become_account, enter_directory};
use crate::common::report::{Report, next_report, report};
use crate::common::sys::check;
use crate::common::user::{Account, find_account};
use crate::failure::{At, Outcome};
use crate::spec;
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{null, null_mut};

/// What a process of the container may not do.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    pub raw_sockets: bool,
    pub network: spec::Network,
    /// cgroups of version 1 that it is to be in.
    pub groups: &'a [String],
}

/// Never returns: either the program runs, or the failure goes to `channel`. What needs the container waits until
/// `channel` says that it is ready.
pub fn become_payload(init: &Process, command: &spec::Process, limits: Limits<'_>, channel: OwnedFd) -> ! {
    let Err(failure) = enter_and_execute(init, command, limits, &channel);
    report(&channel, &Report::Failed(failure), None);
    // SAFETY: ends this process without running the supervisor's exit handlers.
    unsafe { libc::_exit(1) }
}

fn enter_and_execute(
    init: &Process,
    command: &spec::Process,
    limits: Limits<'_>,
    channel: &OwnedFd,
) -> Outcome<Infallible> {
    // SAFETY: no arguments. A child of the supervisor leads no group, so this cannot fail.
    unsafe { libc::setsid() };
    for group in limits.groups {
        std::fs::write(format!("{group}/cgroup.procs"), "0").at("enter cgroup", group)?;
    }
    let filter = seccomp::filter(limits.network);
    reset_signals();
    // SAFETY: no pointers, cannot fail.
    unsafe { libc::umask(0o022) };
    if command.terminal.is_none() {
        replace_null_devices().at("open", "a null device of its own")?;
    }
    let capabilities = kept(limits.raw_sockets);
    limit_bounding_set(capabilities)?;

    let Some((Report::Ready, _)) = next_report(channel)? else {
        // SAFETY: the supervisor is dead. Ends this process without running its exit handlers.
        unsafe { libc::_exit(1) }
    };
    init.enter(libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC).at("setns", "container")?;
    if let Some(window) = command.terminal {
        let master = take_terminal(window)?;
        report(channel, &Report::Terminal, Some(master.as_fd()));
    }
    let account = find_account(&command.user, read_regular)?;
    if command.terminal.is_some() {
        // SAFETY: no pointers; gid -1 leaves the group, tty, as it is.
        check(unsafe { libc::fchown(0, account.uid, libc::gid_t::MAX) }.into()).at("fchown", "terminal")?;
    } else {
        own_pipes(&account).at("fchown", "standard descriptors")?;
    }
    let program = Program::new(&command.argv, &command.env, &account)?;
    // SAFETY: pointer and length are of one live slice.
    become_account(&account, |groups| unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })?;
    enter_directory(command.directory.as_deref(), &account)?;
    limit_own(capabilities).at("capset", &account.name)?;
    // SAFETY: no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into()).at("prctl", "PR_SET_NO_NEW_PRIVS")?;
    close_on_exec_from(3).at("close_range", "")?;
    seccomp::install(&filter).at("seccomp", "")?;
    program.execute()
}

/// Gives the user the standard descriptors of this process that are pipes, so that a path like /dev/stdout can be opened.
/// They are the container's own.
fn own_pipes(account: &Account) -> io::Result<()> {
    for standard in 0..=2 {
        // SAFETY: stat is plain data; zero is a valid value for each field.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: stat outlives the call.
        check(unsafe { libc::fstat(standard, &mut stat) }.into())?;
        if stat.st_mode & libc::S_IFMT == libc::S_IFIFO {
            // SAFETY: no pointers.
            check(unsafe { libc::fchown(standard, account.uid, account.gid) }.into())?;
        }
    }
    Ok(())
}

/// The program starts as from a login: nothing ignored, nothing blocked.
fn reset_signals() {
    // struct sigaction of the kernel, all zero: SIG_DFL. By the bare call, since the C library keeps 32 and 33 to itself
    // and its posix_spawn ignores them.
    let default = [0u64; 4];
    for number in 1..=64 {
        // SAFETY: the kernel reads the action, which is as large as any architecture's, and a mask of 8 bytes in it.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, number, default.as_ptr(), null::<u64>(), 8) };
    }
    // SAFETY: an empty set is made and read within its life.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, null_mut());
    }
}
