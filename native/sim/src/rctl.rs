//! Resource limits, rctl(4).

use crate::errno::{Answer, EINVAL, ENOSYS, EPERM, ERANGE, ESRCH};
use crate::kernel::Kernel;
use crate::process;

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
const PAGE: u64 = 4096;

fn usable(kernel: &Kernel) -> Answer {
    if process::own_jail() != 0 {
        return Err(EPERM);
    }
    if kernel.machine.racct { Ok(()) } else { Err(ENOSYS) }
}

/// `jail:NAME:RESOURCE:ACTION=AMOUNT`, the amount a plain number.
pub fn add(kernel: &mut Kernel, rule: &str) -> Answer {
    usable(kernel)?;
    let parts: Vec<&str> = rule.split(':').collect();
    let [subject, name, resource, action] = parts.as_slice() else { return Err(EINVAL) };
    let (action, amount) = action.split_once('=').ok_or(EINVAL)?;
    let amount = amount.split_once('/').map_or(amount, |(amount, _)| amount);
    let known = ["deny", "log", "devctl", "throttle"].contains(&action) || action.starts_with("sig");
    if !["jail", "process", "user", "loginclass"].contains(subject) || !RESOURCES.contains(resource) || !known {
        return Err(EINVAL);
    }
    if *subject == "jail" && name.is_empty() || amount.parse::<u64>().is_err() {
        return Err(EINVAL);
    }
    kernel.limits.retain(|one| one != rule);
    kernel.limits.insert(0, rule.into());
    Ok(())
}

/// `SUBJECT:NAME:RESOURCE:ACTION`, of which the end may be missing, and any part empty.
fn requires_filter(filter: &str) -> Answer {
    let mut parts = filter.split(':');
    let known = |part: Option<&str>, all: &[&str]| part.is_none_or(|part| part.is_empty() || all.contains(&part));
    let subject = known(parts.next(), &["jail", "process", "user", "loginclass"]);
    if subject && known(parts.nth(1), &RESOURCES) { Ok(()) } else { Err(EINVAL) }
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
