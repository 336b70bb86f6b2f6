//! What a forked child does until it is the container's process: enter, drop every privilege, execute.

use super::capability::{kept, limit_bounding_set, limit_own};
use super::process::Process;
use super::seccomp;
use super::start::{Report, report};
use super::sys::{check, close_on_exec_from, text};
use super::terminal::take_terminal;
use super::user::{Account, find_account};
use crate::failure::{At, Outcome};
use crate::spec;
use std::ffi::CString;
use std::io::{self, Error};
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{null, null_mut};

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Never returns: either the program runs, or the failure goes to `channel`.
pub fn become_payload(init: &Process, process: &spec::Process, channel: OwnedFd) -> ! {
    let Err(failure) = enter_and_execute(init, process, &channel);
    report(&channel, &Report::Failed(failure), None);
    // SAFETY: ends this process without running the supervisor's exit handlers.
    unsafe { libc::_exit(1) }
}

fn enter_and_execute(init: &Process, process: &spec::Process, channel: &OwnedFd) -> Outcome<std::convert::Infallible> {
    // SAFETY: no arguments. A child of the supervisor leads no group, so this cannot fail.
    unsafe { libc::setsid() };
    init.enter(libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC).at("setns", "container")?;
    if let Some(window) = process.terminal {
        let master = take_terminal(window)?;
        report(channel, &Report::Terminal, Some(master.as_fd()));
    }
    let account = find_account(&process.user)?;
    if process.terminal.is_some() {
        // SAFETY: no pointers; gid -1 leaves the group, tty, as it is.
        check(unsafe { libc::fchown(0, account.uid, libc::gid_t::MAX) }.into()).at("fchown", "terminal")?;
    }
    let argv = process.argv.iter().map(|word| text(word)).collect::<io::Result<Vec<_>>>().at("execve", "argv")?;
    let variables = environment(&process.env, &account);
    let env = variables.iter().map(|entry| text(entry)).collect::<io::Result<Vec<_>>>().at("execve", "environment")?;
    let filter = seccomp::filter(process.network);

    reset_signals();
    // SAFETY: no pointers, cannot fail.
    unsafe { libc::umask(0o022) };
    let capabilities = kept(process.raw_sockets);
    limit_bounding_set(capabilities)?;
    become_account(&account)?;
    limit_own(capabilities).at("capset", &account.name)?;
    // SAFETY: no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into()).at("prctl", "PR_SET_NO_NEW_PRIVS")?;
    close_on_exec_from(3).at("close_range", "")?;
    seccomp::install(&filter).at("seccomp", "")?;
    Err(execute(&argv, &env, search_path(&variables))).at("execve", process.argv.first().map_or("", String::as_str))
}

/// Group rights first: without uid 0 they could not be changed any more.
fn become_account(account: &Account) -> Outcome<()> {
    let (uid, gid) = (account.uid, account.gid);
    // SAFETY: pointer and length are of one live slice.
    check(unsafe { libc::setgroups(account.groups.len(), account.groups.as_ptr()) }.into())
        .at("setgroups", &account.name)?;
    // SAFETY: no pointers.
    check(unsafe { libc::setresgid(gid, gid, gid) }.into()).at("setresgid", gid)?;
    // SAFETY: no pointers.
    check(unsafe { libc::setresuid(uid, uid, uid) }.into()).at("setresuid", uid)?;
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

/// The given variables, with what the container's passwd file says of the user where they leave it open.
fn environment(given: &[String], account: &Account) -> Vec<String> {
    let mut env = given.to_vec();
    for (name, value) in [("HOME", &account.home), ("SHELL", &account.shell), ("USER", &account.name)] {
        if variable(given, name).is_none() {
            env.push(format!("{name}={value}"));
        }
    }
    env
}

fn variable<'a>(env: &'a [String], name: &str) -> Option<&'a str> {
    env.iter().find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))
}

fn search_path(env: &[String]) -> &str {
    variable(env, "PATH").unwrap_or(DEFAULT_PATH)
}

/// execve(2) with the search of execvp(3). Returns only when it failed.
fn execute(argv: &[CString], env: &[CString], path: &str) -> io::Error {
    let Some(name) = argv.first().filter(|name| !name.is_empty()) else {
        return Error::from_raw_os_error(libc::ENOENT);
    };
    let argv: Vec<_> = argv.iter().map(|word| word.as_ptr()).chain([null()]).collect();
    let env: Vec<_> = env.iter().map(|entry| entry.as_ptr()).chain([null()]).collect();
    let execve = |file: &CString| {
        // SAFETY: file is a C string, and both arrays of live C strings end with null.
        unsafe { libc::execve(file.as_ptr(), argv.as_ptr(), env.as_ptr()) };
        Error::last_os_error()
    };
    if name.as_bytes().contains(&b'/') {
        return execve(name);
    }
    let mut failure = Error::from_raw_os_error(libc::ENOENT);
    for directory in path.split(':') {
        let directory = if directory.is_empty() { "." } else { directory };
        let Ok(file) = CString::new([directory.as_bytes(), b"/", name.as_bytes()].concat()) else { continue };
        match execve(&file) {
            error if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => {}
            // Found, but not to be executed; another directory may still have one that is.
            error if error.raw_os_error() == Some(libc::EACCES) => failure = error,
            error => return error,
        }
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account { name: "web".into(), uid: 80, gid: 81, groups: vec![], home: "/srv".into(), shell: "/bin/ash".into() }
    }

    #[test]
    fn what_is_given_is_kept() {
        let given = ["HOME=/x".to_string(), "USERS=9".to_string()];
        assert_eq!(environment(&given, &account()), ["HOME=/x", "USERS=9", "SHELL=/bin/ash", "USER=web"]);
    }

    #[test]
    fn the_path_is_the_given_one() {
        assert_eq!(search_path(&["PATHS=/a".into(), "PATH=/b".into()]), "/b");
        assert_eq!(search_path(&[]), DEFAULT_PATH);
    }
}
