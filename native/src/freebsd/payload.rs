//! What a forked child does until it is the container's process: attach, become the user, execute; in jail(8)'s order.

use super::jail::Jail;
use super::library::Library;
use super::null::{null_input, replace_null_input};
use super::signal;
use super::terminal::take_terminal;
use crate::common::command::{Program, become_account, enter_directory};
use crate::common::report::{Report, report};
use crate::common::sys::{check, text};
use crate::common::user::{Account, find_account};
use crate::failure::{At, Outcome};
use crate::spec;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

// sys/unistd.h and linux/close_range.h: the same on both.
const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;

/// Of a file that the container could make as long as it likes.
const MASTER_LIMIT: u64 = 4 << 20;
// login_cap.h
const LOGIN_SETPRIORITY: libc::c_uint = 0x8;
const LOGIN_SETRESOURCES: libc::c_uint = 0x10;

/// Never returns: either the program runs, or the failure goes to `channel`.
pub fn become_payload(library: Library, jail: Jail, command: &spec::Process, channel: OwnedFd) -> ! {
    let Err(failure) = enter_and_execute(library, jail, command, &channel);
    report(&channel, &Report::Failed(failure), None);
    // SAFETY: ends this process without running the supervisor's exit handlers.
    unsafe { libc::_exit(1) }
}

fn enter_and_execute(library: Library, jail: Jail, command: &spec::Process, channel: &OwnedFd) -> Outcome<Infallible> {
    // SAFETY: no arguments. A child of the supervisor leads no group, so this cannot fail.
    unsafe { libc::setsid() };
    let null = null_input().at("open", "/dev/null")?;
    jail.attach()?;
    if let Some(null) = &null {
        replace_null_input(null).at("open", "/dev/null of the jail")?;
    }
    std::env::set_current_dir("/").at("chdir", "/")?;
    if let Some(window) = command.terminal {
        let master = take_terminal(window)?;
        report(channel, &Report::Terminal, Some(master.as_fd()));
    }
    let account = find_account(&command.user, open_regular)?;
    if command.terminal.is_some() {
        // SAFETY: no pointers; gid -1 leaves the group, tty, as it is.
        check(unsafe { libc::fchown(0, account.uid, libc::gid_t::MAX) }.into()).at("fchown", "terminal")?;
    }
    let program = Program::new(&command.argv, &command.env, &account)?;
    signal::reset();
    // SAFETY: no pointers, cannot fail.
    unsafe { libc::umask(0o022) };
    log_in(library, &account)?;
    enter_class(library, &account);
    let set_groups = library.setgroups()?;
    // SAFETY: pointer and length are of one live slice.
    become_account(&account, |groups| unsafe { set_groups(groups.len() as libc::c_int, groups.as_ptr()) })?;
    enter_directory(command.directory.as_deref(), &account)?;
    close_on_exec()?;
    program.execute()
}

/// The name that getlogin(2) gives.
fn log_in(library: Library, account: &Account) -> Outcome<()> {
    let call = library.setlogin()?;
    let name = text(&account.name).at("setlogin", &account.name)?;
    // SAFETY: a C string that outlives the call.
    check(unsafe { call(name.as_ptr()) }.into()).map(drop).at("setlogin", &account.name)
}

/// Resource limits and priority of the user's login class, login.conf(5) of the jail: best effort, a jail without the file
/// has no limits of its own.
fn enter_class(library: Library, account: &Account) {
    let Some(call) = library.setclasscontext() else { return };
    let usual = if account.uid == 0 { "root" } else { "default" };
    let class = own_class(&account.name).unwrap_or_else(|| usual.to_owned());
    let Ok(class) = text(&class) else { return };
    // SAFETY: a C string that outlives the call.
    unsafe { call(class.as_ptr(), LOGIN_SETPRIORITY | LOGIN_SETRESOURCES) };
}

/// The class that master.passwd(5) names: `name:password:uid:gid:class:...`.
fn own_class(user: &str) -> Option<String> {
    let file = open_regular("/etc/master.passwd").ok()?;
    let lines = io::BufReader::new(file.take(MASTER_LIMIT)).lines();
    let fields = lines.map_while(Result::ok).find(|line| line.split(':').next() == Some(user))?;
    fields.split(':').nth(4).filter(|class| !class.is_empty()).map(str::to_owned)
}

/// The jail is the root by now, so no link leads out of it; a FIFO is not waited for.
fn open_regular(path: &str) -> io::Result<File> {
    let path = text(path)?;
    // SAFETY: a C string that outlives the call; the descriptor is new.
    unsafe {
        let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_CLOEXEC;
        check(libc::open(path.as_ptr(), flags).into()).map(|fd| File::from_raw_fd(fd as i32))
    }
}

fn close_on_exec() -> Outcome<()> {
    // SAFETY: only flags of descriptors change.
    check(unsafe { libc::close_range(3, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC as _) }.into())
        .map(drop)
        .at("close_range", "")
}
