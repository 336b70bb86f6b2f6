//! Resource limits, rctl(4).

use crate::errno::{Answer, EINVAL, ENAMETOOLONG, ENOSYS, EOPNOTSUPP, EPERM, ERANGE, ESRCH};
use crate::process;
use crate::state::Kernel;

/// Resources in the kernel's order.
const RESOURCES: [&str; 25] = [
    "cputime",
    "datasize",
    "stacksize",
    "coredumpsize",
    "memoryuse",
    "memorylocked",
    "maxproc",
    "openfiles",
    "vmemoryuse",
    "pseudoterminals",
    "swapuse",
    "nthr",
    "msgqqueued",
    "msgqsize",
    "nmsgq",
    "nsem",
    "nsemop",
    "nshm",
    "shmsize",
    "wallclock",
    "pcpu",
    "readbps",
    "writebps",
    "readiops",
    "writeiops",
];
/// Those of which `deny` makes no sense: they are not RACCT_DENIABLE, sys/kern/kern_racct.c.
const UNDENIABLE: [&str; 6] = ["cputime", "wallclock", "readbps", "writebps", "readiops", "writeiops"];
/// Those that the kernel counts in millionths: the amount must leave room for that.
const IN_MILLIONS: [&str; 7] = ["cputime", "wallclock", "pcpu", "readbps", "writebps", "readiops", "writeiops"];
const LONGEST_JAIL: usize = 255;
const PAGE: u64 = 4096;

fn usable(kernel: &Kernel) -> Answer {
    if process::own_jail() != 0 {
        return Err(EPERM);
    }
    if kernel.machine.racct { Ok(()) } else { Err(ENOSYS) }
}

/// `jail:NAME:RESOURCE:deny=AMOUNT`, the amount a plain number, perhaps with `/jail` after it. Of other subjects and actions
/// rctl(8) knows; none was seen, and the model has none.
pub fn add(kernel: &mut Kernel, rule: &str) -> Answer {
    usable(kernel)?;
    let parts: Vec<&str> = rule.splitn(4, ':').collect();
    let ["jail", name, resource, action] = parts.as_slice() else { return Err(EINVAL) };
    let (amount, per) = action.strip_prefix("deny=").ok_or(EINVAL)?.split_once('/').unwrap_or((&action[5..], "jail"));
    let amount: i64 = amount.parse().map_err(|_| EINVAL)?;
    if !RESOURCES.contains(resource) || name.is_empty() || amount < 0 || per != "jail" {
        return Err(EINVAL);
    }
    if name.len() > LONGEST_JAIL {
        return Err(ENAMETOOLONG);
    }
    if IN_MILLIONS.contains(resource) && amount > i64::MAX / 1_000_000 {
        return Err(ERANGE);
    }
    if UNDENIABLE.contains(resource) {
        return Err(EOPNOTSUPP);
    }
    // One that differs in the amount alone goes.
    let same = format!("jail:{name}:{resource}:deny=");
    kernel.limits.retain(|one| !one.starts_with(&same));
    kernel.limits.insert(0, format!("{same}{amount}"));
    Ok(())
}

/// `jail:NAME:RESOURCE:ACTION`, of which the end may be missing, and any part empty.
fn requires_filter(filter: &str) -> Answer {
    let mut parts = filter.split([':', '=']);
    let known = |part: Option<&str>, all: &[&str]| part.is_none_or(|part| part.is_empty() || all.contains(&part));
    let subject = parts.next();
    let name = parts.next();
    // A name without a subject says nothing.
    let named = name.is_none_or(str::is_empty) || subject == Some("jail");
    let rest = known(parts.next(), &RESOURCES) && known(parts.next(), &["deny"]);
    if known(subject, &["jail"]) && named && rest && parts.next().is_none() { Ok(()) } else { Err(EINVAL) }
}

fn matches(rule: &str, filter: &str) -> bool {
    let wanted = filter.split([':', '=']);
    wanted.zip(rule.split([':', '='])).all(|(wanted, part)| wanted.is_empty() || wanted == part)
}

pub fn remove(kernel: &mut Kernel, filter: &str) -> Answer {
    usable(kernel)?;
    requires_filter(filter)?;
    let before = kernel.limits.len();
    kernel.limits.retain(|rule| !matches(rule, filter));
    if kernel.limits.len() == before { Err(ESRCH) } else { Ok(()) }
}

pub fn rules(kernel: &Kernel, filter: &str) -> Answer<String> {
    usable(kernel)?;
    requires_filter(filter)?;
    Ok(kernel.limits.iter().filter(|rule| matches(rule, filter)).cloned().collect::<Vec<_>>().join(","))
}

pub fn usage(kernel: &Kernel, subject: &str) -> Answer<String> {
    usable(kernel)?;
    let name = subject.strip_prefix("jail:").ok_or(EINVAL)?.trim_end_matches(':');
    let jail = kernel.jails.iter().find(|one| one.name == name).ok_or(ESRCH)?;
    let members: Vec<_> =
        process::members(jail).into_iter().filter_map(|pid| process::process(pid, &kernel.jails)).collect();
    let figure = |resource: &&str| {
        let amount: u64 = match *resource {
            "cputime" => members.iter().map(|one| one.runtime).sum::<u64>() / 1_000_000,
            "memoryuse" => members.iter().map(|one| one.resident * PAGE).sum(),
            "vmemoryuse" => members.iter().map(|one| one.size).sum(),
            "maxproc" | "nthr" => members.len() as u64,
            _ => 0,
        };
        format!("{resource}={amount}")
    };
    Ok(RESOURCES.iter().map(figure).collect::<Vec<_>>().join(","))
}

/// Writes an answer with its NUL.
pub fn give(text: &str, room: &mut [u8]) -> Answer {
    if room.len() <= text.len() {
        return Err(ERANGE);
    }
    room[..text.len()].copy_from_slice(text.as_bytes());
    room[text.len()] = 0;
    Ok(())
}
