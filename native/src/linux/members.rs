//! cgroups(7), version 2: who is in one.

use super::process::Process;
use std::fs;
use std::io;

/// Pids of the processes in the cgroup itself.
pub fn members(cgroup: &str) -> io::Result<Vec<libc::pid_t>> {
    let list = fs::read_to_string(format!("{cgroup}/cgroup.procs"))?;
    Ok(list.lines().filter_map(|line| line.parse().ok()).collect())
}

/// The member with this pid, held so that it cannot be confused with a later process of the same pid. None when it left.
pub fn hold_member(cgroup: &str, pid: libc::pid_t) -> io::Result<Option<Process>> {
    match Process::open(pid) {
        Ok(process) => Ok(members(cgroup)?.contains(&pid).then_some(process)),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(error) => Err(error),
    }
}
