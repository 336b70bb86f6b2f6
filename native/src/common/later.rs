//! Waiting in place of a program that is to run later: it costs less than the program would.

use super::sys::set_signal_action;
use crate::failure::{At, Outcome};
use std::convert::Infallible;
use std::os::unix::process::CommandExt;
use std::time::Duration;

/// Waits and becomes the program, `program` with `arguments`. Keeps away from the session of whoever started it, and ends
/// when it is asked to.
///
/// `cgroup_procs`: file that takes it out of the cgroup of whoever started it; None where there is none.
pub fn execute_later(
    delay: Duration,
    cgroup_procs: Option<&str>,
    program: &str,
    arguments: &[String],
) -> Outcome<Infallible> {
    // SAFETY: no arguments. It fails only where this process leads a session already.
    unsafe { libc::setsid() };
    #[cfg(target_os = "linux")]
    // The addon executes it by descriptor, whose number would else be its name.
    // SAFETY: the name is a C string of less than 16 bytes.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, c"klee-supervisor".as_ptr())
    };
    set_signal_action(libc::SIGHUP, libc::SIG_IGN);
    std::env::set_current_dir("/").at("chdir", "/")?;
    // Best effort: cgroups may be delegated, and this one out of reach.
    if let Some(path) = cgroup_procs {
        let _ = std::fs::write(path, "0");
    }
    std::thread::sleep(delay);
    let error = std::process::Command::new(program).args(arguments).exec();
    Err(error).at("execve", program)
}
