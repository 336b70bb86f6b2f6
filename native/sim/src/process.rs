//! Processes of jails. A process that attached has the jail's directory as its root, and so have those it starts: that is
//! how the model knows them, so it knows none in a jail whose root is the host's own.

use crate::state::Jail;
use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicI32, Ordering};

/// The jail of this process, or of the one that it was forked from; 0: none.
static OWN: AtomicI32 = AtomicI32::new(0);

pub fn own_jail() -> i32 {
    OWN.load(Ordering::Relaxed)
}

pub fn set_own_jail(jid: i32) {
    OWN.store(jid, Ordering::Relaxed);
}

/// Has this process the capability that setgroups(2) asks for below? capget(2)
pub fn may_set_groups() -> bool {
    const VERSION_3: u32 = 0x2008_0522;
    const CAP_SETGID: u32 = 6;
    let header = [VERSION_3, 0];
    let mut data = [0_u32; 6];
    // SAFETY: both are as long as the kernel's structs of this version.
    let told = unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), data.as_mut_ptr()) } == 0;
    told && data[0] & (1 << CAP_SETGID) != 0
}

fn pids() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// None of one that has ended, be it a zombie or nothing.
fn root(pid: i32) -> Option<String> {
    fs::read_link(format!("/proc/{pid}/root")).ok()?.to_str().map(str::to_owned)
}

/// Processes of a jail, but for zombies.
pub fn members(jail: &Jail) -> Vec<i32> {
    if jail.path == "/" {
        return Vec::new();
    }
    let mut ended = BTreeSet::new();
    loop {
        let listed = pids();
        let roots: Vec<(i32, Option<String>)> = listed.into_iter().map(|pid| (pid, root(pid))).collect();
        let (living, gone): (Vec<_>, Vec<_>) = roots.into_iter().partition(|(_, root)| root.is_some());
        let here = living.into_iter().filter(|(_, root)| root.as_ref() == Some(&jail.path)).map(|(pid, _)| pid);
        let (here, gone) = (here.collect::<Vec<_>>(), gone.into_iter().map(|(pid, _)| pid).collect::<BTreeSet<_>>());
        // One that was listed and ended before it was looked at may have left a child that was not listed yet.
        if !here.is_empty() || gone.is_subset(&ended) {
            return here;
        }
        ended = gone;
    }
}

/// What sysctl kern.proc tells of a process.
pub struct Process {
    pub pid: i32,
    pub ppid: i32,
    pub pgid: i32,
    pub uid: u32,
    /// Microseconds after boot.
    pub start: u64,
    /// Microseconds.
    pub runtime: u64,
    pub zombie: bool,
    /// By a signal.
    pub stopped: bool,
    pub command: String,
    /// Bytes, and pages of 4096.
    pub size: u64,
    pub resident: u64,
    pub jid: i32,
}

pub fn process(pid: i32, jails: &[Jail]) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(')')?;
    let field: Vec<&str> = tail.split_whitespace().collect();
    let number = |index: usize| field.get(index).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let root = root(pid).unwrap_or_else(|| "/".into());
    // SAFETY: no pointers.
    let tick = 1_000_000 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as u64;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse().ok());
    Some(Process {
        pid,
        ppid: number(1) as i32,
        pgid: number(2) as i32,
        uid: uid.unwrap_or(0),
        start: number(19) * tick,
        runtime: (number(11) + number(12)) * tick,
        zombie: field.first() == Some(&"Z"),
        stopped: field.first() == Some(&"T"),
        command: head.split_once('(')?.1.to_owned(),
        size: number(20),
        resident: number(21),
        jid: jails.iter().find(|jail| jail.path == root && root != "/").map_or(0, |jail| jail.jid),
    })
}

/// The command line, each word with a zero byte behind it; none of one that has ended and that nobody has waited for.
pub fn arguments(pid: i32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/cmdline")).ok()
}

pub fn processes(jails: &[Jail]) -> Vec<Process> {
    pids().into_iter().filter(|pid| root(*pid).is_some()).filter_map(|pid| process(pid, jails)).collect()
}

/// Kills them all, those that they start meanwhile, too; returns when they have ended.
pub fn kill_all(jail: &Jail) {
    loop {
        let pids = members(jail);
        if pids.is_empty() {
            return;
        }
        for pid in pids {
            // SAFETY: no pointers; a process that has ended meanwhile is no error.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
