//! Kernel variables, sysctl(3), by name and by number.

use crate::errno::{Answer, EINVAL, ENOENT, ENOMEM, EPERM, ESRCH};
use crate::family::{AF_INET, AF_INET6};
use crate::jail::{self, Kind, PARAMETERS};
use crate::memory::BytesMut;
use crate::pf::octets;
use crate::process::{self, Process};
use crate::state::Kernel;
use std::collections::BTreeMap;
use std::net::IpAddr;

const CTL_SYSCTL: i32 = 0;
const CTL_KERN: i32 = 1;
const CTL_NET: i32 = 4;
const KERN_HOSTNAME: i32 = 10;
const KERN_PROC: i32 = 14;
const KERN_PROC_PID: i32 = 1;
const KERN_PROC_ARGS: i32 = 7;
const KERN_PROC_PROC: i32 = 8;
const PF_ROUTE: i32 = 17;
const NET_RT_DUMP: i32 = 1;
const NET_RT_FLAGS: i32 = 2;
const RTF_LLINFO: i32 = 0x400;
/// Numbers that the kernel gives out itself begin here.
const AUTO: i32 = 0x100;
const CTLTYPE_NODE: u32 = 1;
const CTLTYPE_INT: u32 = 2;
const CTLTYPE_STRING: u32 = 3;
const CTLTYPE_OPAQUE: u32 = 5;
const CTLTYPE_ULONG: u32 = 8;
const CTLFLAG_RD: u32 = 0x8000_0000;
const CTLFLAG_WR: u32 = 0x4000_0000;
const CTLFLAG_TUN: u32 = 0x8_0000;
const JAIL_PARAM: &str = "security.jail.param.";
const SZOMB: u8 = 5;
const SRUN: u8 = 2;
const SSTOP: u8 = 4;
const KINFO_PROC: usize = 1088;

/// Integers that can be set.
pub fn at_boot() -> BTreeMap<String, i32> {
    [
        ("net.inet.ip.forwarding", 0),
        ("net.inet6.ip6.forwarding", 0),
        ("net.pf.filter_local", 0),
        ("net.pf.request_maxcount", 65535),
        ("security.jail.jail_max_af_ips", 255),
        ("kern.securelevel", -1),
        ("net.link.bridge.pfil_member", 1),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

struct Variable {
    name: String,
    mib: Vec<i32>,
    kind: u32,
    format: &'static str,
}

/// All variables, in the order of their numbers.
fn variables(kernel: &Kernel) -> Vec<Variable> {
    let fixed: &[(&str, u32, &str)] = &[
        ("kern.hostname", CTLTYPE_STRING, "A"),
        ("kern.osrelease", CTLTYPE_STRING, "A"),
        ("kern.osreldate", CTLTYPE_INT, "I"),
        ("kern.boottime", CTLTYPE_OPAQUE, "S,timeval"),
        ("kern.boot_id", CTLTYPE_OPAQUE, ""),
        ("kern.racct.enable", CTLTYPE_INT, "I"),
        ("security.jail.jailed", CTLTYPE_INT, "I"),
        ("security.jail.list", CTLTYPE_OPAQUE, "S"),
        ("net.inet.tcp.drop", CTLTYPE_OPAQUE, ""),
        ("hw.machine_arch", CTLTYPE_STRING, "A"),
        ("kern.proc.pid", CTLTYPE_NODE, "N"),
        ("kern.proc.args", CTLTYPE_NODE, "N"),
        ("kern.proc.proc", CTLTYPE_OPAQUE, "S,proc"),
    ];
    let settable = kernel.sysctls.keys().map(|name| (name.clone(), CTLTYPE_INT, "I"));
    let parameters = PARAMETERS.iter().map(|(name, kind)| {
        let (kind, format) = match kind {
            Kind::Text => (CTLTYPE_STRING, "A"),
            Kind::Int => (CTLTYPE_INT, "I"),
            Kind::Bool => (CTLTYPE_INT, "B"),
            Kind::Sys => (CTLTYPE_INT, "E,jailsys"),
            Kind::Ip4 => (CTLTYPE_OPAQUE, "S,in_addr,a"),
            Kind::Ip6 => (CTLTYPE_OPAQUE, "S,in6_addr,a"),
            Kind::Id64 => (CTLTYPE_ULONG, "LU"),
        };
        let access = match *name {
            name if jail::READ_ONLY.contains(&name) => CTLFLAG_RD,
            name if name == "jid" || jail::FIXED.contains(&name) => CTLFLAG_RD | CTLFLAG_TUN,
            _ => CTLFLAG_RD | CTLFLAG_WR,
        };
        // A node that is a parameter as well, such as `ip4`, ends with a dot: SYSCTL_JAIL_PARAM_SYS_NODE.
        let node = *name == "allow.mount" || (format == "E,jailsys" && *name != "vnet");
        (format!("{JAIL_PARAM}{name}{}", if node { "." } else { "" }), kind | access, format)
    });
    let all =
        fixed.iter().map(|(name, kind, format)| ((*name).to_owned(), *kind, *format)).chain(settable).chain(parameters);
    let mut numbers: BTreeMap<String, i32> = BTreeMap::new();
    let mut list: Vec<Variable> = all
        .map(|(name, kind, format)| {
            let mib = number(&mut numbers, &name);
            Variable { name, mib, kind, format }
        })
        .collect();
    list.sort_by(|a, b| a.mib.cmp(&b.mib));
    list
}

/// The numbers of a name's parts: the well-known ones, and for the rest one after the other.
fn number(numbers: &mut BTreeMap<String, i32>, name: &str) -> Vec<i32> {
    let mut prefix = String::new();
    let mut mib = Vec::new();
    for part in name.split('.') {
        prefix = if prefix.is_empty() { part.to_owned() } else { format!("{prefix}.{part}") };
        let next = AUTO + numbers.len() as i32;
        mib.push(match prefix.as_str() {
            "kern" => CTL_KERN,
            "net" => CTL_NET,
            "kern.hostname" => KERN_HOSTNAME,
            "kern.proc" => KERN_PROC,
            "kern.proc.pid" => KERN_PROC_PID,
            "kern.proc.args" => KERN_PROC_ARGS,
            "kern.proc.proc" => KERN_PROC_PROC,
            _ => *numbers.entry(prefix.clone()).or_insert(next),
        });
    }
    mib
}

pub fn mib_of(kernel: &Kernel, name: &str) -> Answer<Vec<i32>> {
    let list = variables(kernel);
    if let Some(variable) = list.iter().find(|one| one.name == name) {
        return Ok(variable.mib.clone());
    }
    // A node: what all below it begin with.
    let within = format!("{name}.");
    let below = list.iter().find(|one| one.name.starts_with(&within)).ok_or(ENOENT)?;
    Ok(below.mib[..name.split('.').count()].to_vec())
}

/// The value of a variable.
pub fn read(kernel: &Kernel, mib: &[i32]) -> Answer<Vec<u8>> {
    match mib {
        [CTL_SYSCTL, question, rest @ ..] => ask(kernel, *question, rest),
        [CTL_NET, PF_ROUTE, 0, family, NET_RT_DUMP, 0] => Ok(routes(kernel, *family)),
        [CTL_NET, PF_ROUTE, 0, family, NET_RT_FLAGS, RTF_LLINFO] => Ok(neighbours(kernel, *family)),
        [CTL_KERN, KERN_PROC, KERN_PROC_PID, pid] => {
            // The process itself, even if it has ended and nobody has waited for it.
            process::process(*pid, &kernel.jails).map(|one| kinfo(kernel, &one)).ok_or(ESRCH)
        }
        [CTL_KERN, KERN_PROC, KERN_PROC_ARGS, pid] => process::arguments(*pid).ok_or(ESRCH),
        [CTL_KERN, KERN_PROC, KERN_PROC_PROC] | [CTL_KERN, KERN_PROC, KERN_PROC_PROC, 0] => {
            Ok(process::processes(&kernel.jails).iter().flat_map(|one| kinfo(kernel, one)).collect())
        }
        mib => {
            let list = variables(kernel);
            value(kernel, &list.iter().find(|one| one.mib == mib).ok_or(ENOENT)?.name)
        }
    }
}

fn value(kernel: &Kernel, name: &str) -> Answer<Vec<u8>> {
    let text = |value: &str| [value.as_bytes(), &[0]].concat();
    let int = |value: i32| value.to_le_bytes().to_vec();
    Ok(match name {
        "kern.hostname" => text(&hostname(kernel)),
        "hw.machine_arch" => text("amd64"),
        "kern.osrelease" => text(match kernel.machine.release {
            12 => "12.1-RELEASE",
            14 => "14.2-RELEASE",
            _ => "15.1-RELEASE",
        }),
        "kern.osreldate" => int(kernel.osreldate()),
        "kern.racct.enable" => truth(kernel, i32::from(kernel.machine.racct)),
        "security.jail.jailed" => int(i32::from(process::own_jail() != 0)),
        "security.jail.list" => jail::list(kernel)?,
        "kern.boot_id" => kernel.boot_id.to_vec(),
        "kern.boottime" => [kernel.boot_time.to_le_bytes(), 0_u64.to_le_bytes()].concat(),
        name if name.starts_with(JAIL_PARAM) => parameter(name),
        // To be written alone.
        "net.inet.tcp.drop" => return Err(EPERM),
        "net.pf.filter_local" => truth(kernel, *kernel.sysctls.get(name).ok_or(ENOENT)?),
        name => int(*kernel.sysctls.get(name).ok_or(ENOENT)?),
    })
}

/// What tells of a jail's parameter: of a text the most that it may take, in digits; of a structure its size.
fn parameter(name: &str) -> Vec<u8> {
    let name = name[JAIL_PARAM.len()..].trim_end_matches('.');
    match PARAMETERS.iter().find(|(one, _)| *one == name).map(|(_, kind)| kind) {
        Some(Kind::Text) => format!("{}\0", jail::text_size(name)).into_bytes(),
        Some(Kind::Ip4) => 4_u64.to_le_bytes().to_vec(),
        Some(Kind::Ip6) => 16_u64.to_le_bytes().to_vec(),
        Some(Kind::Id64) => 0_u64.to_le_bytes().to_vec(),
        _ => 0_i32.to_le_bytes().to_vec(),
    }
}

/// An integer that release 15 has made a truth value of one byte.
fn truth(kernel: &Kernel, value: i32) -> Vec<u8> {
    let bytes = value.to_le_bytes();
    bytes[..if kernel.machine.release >= 15 { 1 } else { bytes.len() }].to_vec()
}

fn hostname(kernel: &Kernel) -> String {
    match kernel.jails.iter().find(|one| one.jid == process::own_jail()) {
        Some(jail) => jail.texts.get("host.hostname").cloned().unwrap_or_default(),
        None => kernel.machine.hostname.clone(),
    }
}

pub fn write(kernel: &mut Kernel, mib: &[i32], new: &[u8]) -> Answer {
    if process::own_jail() != 0 {
        return Err(EPERM);
    }
    let name = variables(kernel).into_iter().find(|one| one.mib == mib).ok_or(ENOENT)?.name;
    if name == "net.inet.tcp.drop" {
        return drop_connection(kernel, new);
    }
    // Exactly as long as it is, little-endian.
    if new.len() != value(kernel, &name)?.len() || new.len() > 4 {
        return Err(EINVAL);
    }
    // A truth value is one, and the system's level of security never falls.
    let value = new.iter().rev().fold(0, |sum, byte| sum << 8 | i32::from(*byte));
    match kernel.sysctls.get_mut(&name) {
        Some(_) if new.len() == 1 && value > 1 => Err(EINVAL),
        Some(level) if name == "kern.securelevel" && value < *level => Err(EPERM),
        Some(known) => {
            *known = value;
            Ok(())
        }
        None => Err(EPERM),
    }
}

/// Two sockaddr_storage, the foreign end and the local one, of a connection that pf knows of: the model has no sockets.
fn drop_connection(kernel: &mut Kernel, new: &[u8]) -> Answer {
    const STORAGE: usize = 128;
    if new.len() < 2 * STORAGE {
        return Err(ENOMEM);
    }
    let (foreign, local) = (socket_address(&new[..STORAGE])?, socket_address(&new[STORAGE..])?);
    if foreign.0.is_ipv4() != local.0.is_ipv4() {
        return Err(EINVAL);
    }
    if !kernel.pf.has_connection(local, foreign) {
        return Err(ESRCH);
    }
    let text = |(ip, port): (IpAddr, u16)| format!("{ip} {port}");
    kernel.dropped.push(format!("{} to {}", text(local), text(foreign)));
    Ok(())
}

fn socket_address(bytes: &[u8]) -> Answer<(IpAddr, u16)> {
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    match (bytes[0], i32::from(bytes[1])) {
        (16, AF_INET) => Ok((<[u8; 4]>::try_from(&bytes[4..8]).map_err(|_| EINVAL)?.into(), port)),
        (28, AF_INET6) => Ok((<[u8; 16]>::try_from(&bytes[8..24]).map_err(|_| EINVAL)?.into(), port)),
        _ => Err(EINVAL),
    }
}

fn ask(kernel: &Kernel, question: i32, mib: &[i32]) -> Answer<Vec<u8>> {
    const NAME: i32 = 1;
    const NEXT: i32 = 2;
    const OIDFMT: i32 = 4;
    let list = variables(kernel);
    let found = || list.iter().find(|one| one.mib == mib).ok_or(ENOENT);
    match question {
        NAME => Ok([found()?.name.as_bytes(), &[0]].concat()),
        NEXT => {
            let next = list.iter().find(|one| one.mib.as_slice() > mib).ok_or(ENOENT)?;
            Ok(next.mib.iter().flat_map(|part| part.to_le_bytes()).collect())
        }
        OIDFMT => {
            let Ok(one) = found() else {
                // A node: there is something below it.
                let below = |one: &Variable| one.mib.len() > mib.len() && one.mib.starts_with(mib);
                let node = list.iter().any(below).then(|| [&CTLTYPE_NODE.to_le_bytes()[..], b"N\0"].concat());
                return node.ok_or(ENOENT);
            };
            Ok([&one.kind.to_le_bytes()[..], one.format.as_bytes(), &[0]].concat())
        }
        _ => Err(EINVAL),
    }
}

const RT_MSGHDR: usize = 152;
const RTM_VERSION: u8 = 5;
const RTM_GET: u8 = 4;
const RTA_DST_GATEWAY: u32 = 0x1 | 0x2;

/// struct sockaddr_in or sockaddr_in6 with an address, padded as route(4) does.
fn sockaddr(ip: IpAddr) -> Vec<u8> {
    let (size, family, at) = if ip.is_ipv4() { (16, AF_INET, 4) } else { (28, AF_INET6, 8) };
    let mut bytes = vec![0_u8; size];
    bytes[0] = size as u8;
    bytes[1] = family as u8;
    let address = octets(ip);
    let length = if ip.is_ipv4() { 4 } else { 16 };
    bytes[at..at + length].copy_from_slice(&address[..length]);
    padded(bytes)
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// struct rt_msghdr and its sockaddrs.
fn message(index: u16, flags: u32, addresses: u32, sockaddrs: &[u8]) -> Vec<u8> {
    let mut head = vec![0; RT_MSGHDR];
    head.put_u16(0, (RT_MSGHDR + sockaddrs.len()) as u16);
    head[2] = RTM_VERSION;
    head[3] = RTM_GET;
    head.put_u16(4, index);
    head.put_u32(8, flags);
    head.put_u32(12, addresses);
    [&head, sockaddrs].concat()
}

/// The default route's message.
fn routes(kernel: &Kernel, family: i32) -> Vec<u8> {
    const RTF_UP_GATEWAY_STATIC: u32 = 0x1 | 0x2 | 0x800;
    const RTA_NETMASK: u32 = 0x4;
    let machine = &kernel.machine;
    let (leads_to, any, gateway) = match family {
        AF_INET => (&machine.default4, IpAddr::from([0; 4]), machine.gateway4.map(IpAddr::from)),
        AF_INET6 => (&machine.default6, IpAddr::from([0; 16]), machine.gateway6.map(IpAddr::from)),
        _ => return Vec::new(),
    };
    let Some(one) = kernel.interfaces.iter().find(|one| Some(&one.name) == leads_to.as_ref()) else {
        return Vec::new();
    };
    // The mask of the default route has no bytes at all.
    let sockaddrs = [sockaddr(any), sockaddr(gateway.unwrap_or(any)), vec![0; 8]].concat();
    message(one.index, RTF_UP_GATEWAY_STATIC, RTA_DST_GATEWAY | RTA_NETMASK, &sockaddrs)
}

/// The messages of arp(8)'s or ndp(8)'s table: each an address and a struct sockaddr_dl.
fn neighbours(kernel: &Kernel, family: i32) -> Vec<u8> {
    const SOCKADDR_DL: usize = 54;
    const AF_LINK: u8 = 18;
    const IFT_ETHER: u8 = 6;
    const RTF_UP_HOST_LLINFO: u32 = 0x1 | 0x4 | RTF_LLINFO as u32;
    let known = kernel.machine.neighbours.iter().filter(|one| one.known && one.ip.is_ipv4() == (family == AF_INET));
    known
        .filter_map(|one| {
            let index = kernel.interfaces.iter().find(|interface| interface.name == one.interface)?.index;
            let mut link = vec![0_u8; SOCKADDR_DL];
            link[0] = SOCKADDR_DL as u8;
            link[1] = AF_LINK;
            link.put_u16(2, index);
            link[4] = IFT_ETHER;
            link[6] = one.link.len() as u8;
            link[8..14].copy_from_slice(&one.link);
            let sockaddrs = [sockaddr(one.ip), padded(link)].concat();
            Some(message(index, RTF_UP_HOST_LLINFO, RTA_DST_GATEWAY, &sockaddrs))
        })
        .collect::<Vec<_>>()
        .concat()
}

/// struct kinfo_proc of sys/user.h
fn kinfo(kernel: &Kernel, one: &Process) -> Vec<u8> {
    let mut bytes = vec![0; KINFO_PROC];
    bytes.put_u32(0, KINFO_PROC as u32);
    bytes.put_u32(72, one.pid as u32);
    bytes.put_u32(76, one.ppid as u32);
    bytes.put_u32(80, one.pgid as u32);
    bytes.put_u32(168, one.uid);
    bytes.put_u32(172, one.uid);
    bytes.put_u64(256, one.size);
    bytes.put_u64(264, one.resident);
    bytes.put_u64(328, one.runtime);
    bytes.put_u64(336, kernel.boot_time + one.start / 1_000_000);
    bytes.put_u64(344, one.start % 1_000_000);
    bytes[388] = match one {
        Process { zombie: true, .. } => SZOMB,
        Process { stopped: true, .. } => SSTOP,
        _ => SRUN,
    };
    let command: String = one.command.chars().take(19).collect();
    let _ = bytes.put_name(447, 20, &command);
    bytes.put_u32(592, one.jid as u32);
    bytes
}

/// Gives a value as sysctl(3) does: its size alone without room, ENOMEM and what fits when the room is short.
///
/// # Safety
/// `room` is null or the address of as many bytes as the number at `size` says.
pub unsafe fn give(value: &[u8], room: u64, size: u64) -> Answer {
    use crate::memory::{Bytes, at};
    if size == 0 {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    let cell = unsafe { at(size, 8)? };
    let length = cell.get_u64(0) as usize;
    if room == 0 {
        cell.put_u64(0, value.len() as u64);
        return Ok(());
    }
    let fits = value.len().min(length);
    // SAFETY: the caller's promise.
    unsafe { at(room, fits)? }.copy_from_slice(&value[..fits]);
    cell.put_u64(0, fits as u64);
    if fits < value.len() { Err(ENOMEM) } else { Ok(()) }
}
