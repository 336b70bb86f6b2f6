//! Jails, jail_set(2): parameters as the kernel checks them, in its order.

use crate::descriptor::{Object, fresh, jail_of};
use crate::errno::{Answer, EADDRINUSE, EEXIST, EINVAL, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM, Errno};
use crate::memory::BytesMut;
use crate::options::{Option as Entry, Options};
use crate::process;
use crate::state::{JAIL_SYS_NEW, Jail, Kernel};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const JAIL_CREATE: i32 = 1;
const JAIL_UPDATE: i32 = 2;
const JAIL_ATTACH: i32 = 4;
const JAIL_DYING: i32 = 8;
const JAIL_USE_DESC: i32 = 0x10;
const JAIL_GET_DESC: i32 = 0x40;
const JAIL_OWN_DESC: i32 = 0x80;
pub const DESCRIPTORS_SINCE: u32 = 15;
/// `disable`, `new`, `inherit`
const JAIL_SYS: std::ops::RangeInclusive<i32> = 0..=2;
const JAIL_SYS_DISABLE: i32 = 0;
/// security.jail.jail_max_af_ips
const MAX_ADDRESSES: usize = 255;
/// How long what the dead have left, credentials and sockets, keeps a jail around.
const DYING: Duration = Duration::from_millis(50);

/// What a parameter's value looks like, and how sysctl security.jail.param tells it: type and format.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Text,
    Int,
    Bool,
    Sys,
    Ip4,
    Ip6,
    Id64,
}

/// Those that every release from 12.1 to 15.0 has. Read-only ones are not to be set.
pub const PARAMETERS: &[(&str, Kind)] = &[
    ("jid", Kind::Int),
    ("parent", Kind::Int),
    ("name", Kind::Text),
    ("path", Kind::Text),
    ("securelevel", Kind::Int),
    ("devfs_ruleset", Kind::Int),
    ("enforce_statfs", Kind::Int),
    ("persist", Kind::Bool),
    ("dying", Kind::Bool),
    ("children.max", Kind::Int),
    ("children.cur", Kind::Int),
    ("host", Kind::Sys),
    ("host.hostname", Kind::Text),
    ("host.domainname", Kind::Text),
    ("host.hostuuid", Kind::Text),
    ("host.hostid", Kind::Id64),
    ("osrelease", Kind::Text),
    ("osreldate", Kind::Int),
    ("vnet", Kind::Sys),
    ("ip4", Kind::Sys),
    ("ip4.addr", Kind::Ip4),
    ("ip4.saddrsel", Kind::Bool),
    ("ip6", Kind::Sys),
    ("ip6.addr", Kind::Ip6),
    ("ip6.saddrsel", Kind::Bool),
    ("sysvmsg", Kind::Sys),
    ("sysvsem", Kind::Sys),
    ("sysvshm", Kind::Sys),
    ("allow.set_hostname", Kind::Bool),
    ("allow.sysvipc", Kind::Bool),
    ("allow.raw_sockets", Kind::Bool),
    ("allow.chflags", Kind::Bool),
    ("allow.mount", Kind::Bool),
    ("allow.mount.devfs", Kind::Bool),
    ("allow.mount.nullfs", Kind::Bool),
    ("allow.mount.tmpfs", Kind::Bool),
    ("allow.mount.procfs", Kind::Bool),
    ("allow.mount.zfs", Kind::Bool),
    ("allow.quotas", Kind::Bool),
    ("allow.socket_af", Kind::Bool),
    ("allow.mlock", Kind::Bool),
    ("allow.reserved_ports", Kind::Bool),
    ("allow.read_msgbuf", Kind::Bool),
    ("allow.unprivileged_proc_debug", Kind::Bool),
    ("allow.suser", Kind::Bool),
];
pub const READ_ONLY: &[&str] = &["parent", "dying", "children.cur", "cpuset.id"];
pub const FIXED: &[&str] = &["vnet", "ip4", "ip6", "path", "osrelease", "osreldate"];
const ON_BY_DEFAULT: &[&str] = &[
    "allow.set_hostname",
    "allow.reserved_ports",
    "allow.unprivileged_proc_debug",
    "allow.suser",
    "ip4.saddrsel",
    "ip6.saddrsel",
];

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// A failure with the kernel's own words.
struct Refusal(Errno, String);

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self(errno, String::new())
    }
}

fn refuse<T>(errno: Errno, text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(errno, text.into()))
}

/// The parameter that an option sets, and whether in its negative form.
fn parameter(name: &str) -> Option<(&'static str, Kind, bool)> {
    let known = |wanted: &str| PARAMETERS.iter().find(|(one, _)| *one == wanted).copied();
    if let Some((name, kind)) = known(name) {
        return Some((name, kind, false));
    }
    let last = name.rfind('.').map_or(0, |dot| dot + 1);
    let positive = format!("{}{}", &name[..last], name[last..].strip_prefix("no")?);
    known(&positive).filter(|(_, kind)| *kind == Kind::Bool).map(|(name, kind)| (name, kind, true))
}

fn addresses<const N: usize, A: From<[u8; N]> + PartialEq + Ord + Copy>(bytes: &[u8], bad: &[A]) -> Answer<Vec<A>> {
    if !bytes.len().is_multiple_of(N) || bytes.len() / N > MAX_ADDRESSES {
        return Err(EINVAL);
    }
    let list: Vec<A> = bytes.chunks_exact(N).map(|chunk| A::from(chunk.try_into().expect("a chunk of N"))).collect();
    let mut sorted = list.clone();
    sorted.sort();
    let twice = sorted.windows(2).any(|pair| pair[0] == pair[1]);
    if twice || list.iter().any(|address| bad.contains(address)) {
        return Err(EINVAL);
    }
    // The first one is the primary one, the rest is sorted.
    let mut rest = list.get(1..).unwrap_or(&[]).to_vec();
    rest.sort();
    Ok(list.first().into_iter().copied().chain(rest).collect())
}

/// The processes that a jail lives by, when it is there and not dying.
pub fn alive(kernel: &mut Kernel, jid: i32) -> Option<Vec<i32>> {
    reap(kernel);
    living(kernel, jid).ok().map(process::members)
}

/// All its processes have ended, and it does not persist.
fn has_ended(jail: &Jail, real: bool) -> bool {
    real && jail.dying_until.is_none() && !jail.persists() && process::members(jail).is_empty()
}

/// Jails that have ended are dying until the kernel has let go of what their processes were: a task of its own does that.
pub fn reap(kernel: &mut Kernel) {
    let (now, real) = (now(), kernel.machine.real);
    for jail in kernel.jails.iter_mut().filter(|one| has_ended(one, real)) {
        jail.dying_until = Some(now + DYING.as_millis() as u64);
    }
    kernel.jails.retain(|jail| jail.dying_until.is_none_or(|until| until > now));
}

/// All jails within the caller's, dying ones too: struct xprison of sys/jail.h, each followed by its addresses.
pub fn list(kernel: &Kernel) -> Answer<Vec<u8>> {
    const XPRISON: usize = 1560;
    const XPRISON_VERSION: u32 = 3;
    const PRISON_STATE_ALIVE: u32 = 1;
    const PRISON_STATE_DYING: u32 = 2;
    const MAXPATHLEN: usize = 1024;
    const MAXHOSTNAMELEN: usize = 256;
    if process::own_jail() != 0 {
        return Ok(Vec::new());
    }
    let (now, real) = (now(), kernel.machine.real);
    let mut all = Vec::new();
    for jail in kernel.jails.iter().filter(|one| one.dying_until.is_none_or(|until| until > now)) {
        let alive = jail.dying_until.is_none() && !has_ended(jail, real);
        let mut entry = vec![0; XPRISON];
        entry.put_u32(0, XPRISON_VERSION);
        entry.put_u32(4, jail.jid as u32);
        entry.put_u32(8, if alive { PRISON_STATE_ALIVE } else { PRISON_STATE_DYING });
        entry.put_name(16, MAXPATHLEN, &jail.path)?;
        entry.put_name(1040, MAXHOSTNAMELEN, jail.texts.get("host.hostname").map_or("", String::as_str))?;
        entry.put_name(1296, MAXHOSTNAMELEN, &jail.name)?;
        entry.put_u32(1552, jail.ip4.len() as u32);
        entry.put_u32(1556, jail.ip6.len() as u32);
        all.append(&mut entry);
        all.extend(jail.ip4.iter().flat_map(Ipv4Addr::octets));
        all.extend(jail.ip6.iter().flat_map(Ipv6Addr::octets));
    }
    Ok(all)
}

pub fn set(kernel: &mut Kernel, options: &mut Options, flags: i32) -> Answer<i32> {
    reap(kernel);
    let result = try_set(kernel, options, flags);
    said(options, result)
}

fn said<T>(options: &mut Options, result: Result<T, Refusal>) -> Answer<T> {
    result.map_err(|Refusal(errno, text)| {
        options.say(&text);
        errno
    })
}

fn try_set(kernel: &mut Kernel, options: &Options, flags: i32) -> Result<i32, Refusal> {
    if process::own_jail() != 0 {
        return Err(EPERM.into());
    }
    // JAIL_DYING was never seen here: to bring a dying jail back.
    let known = JAIL_CREATE | JAIL_UPDATE | JAIL_ATTACH;
    if flags & !known != 0 || flags & (JAIL_CREATE | JAIL_UPDATE) == 0 {
        return Err(EINVAL.into());
    }
    let changes = read_changes(options)?;
    let path = changes.texts.get("path").map(|path| resolve(kernel, path)).transpose()?;
    let update = flags & JAIL_UPDATE != 0;
    if update && let Some(name) = FIXED.iter().find(|name| changes.names.contains(name)) {
        return refuse(EINVAL, format!("{name} cannot be changed after creation"));
    }
    let jid = changes.ints.get("jid").map(|jid| *jid as i32).filter(|jid| *jid != 0);
    let name = changes.texts.get("name").cloned();
    if jid.is_some_and(|jid| jid < 0) {
        return refuse(EINVAL, "negative jid");
    }
    let alive = |one: &&Jail| one.dying_until.is_none();
    let found = match (jid, &name) {
        (Some(jid), _) => kernel.jails.iter().filter(alive).find(|one| one.jid == jid),
        (None, Some(name)) => kernel.jails.iter().filter(alive).find(|one| one.name == *name),
        (None, None) => None,
    };
    let label = jid.map_or_else(|| format!("\"{}\"", name.clone().unwrap_or_default()), |jid| jid.to_string());
    match found.map(|one| one.jid) {
        Some(_) if !update => return refuse(EEXIST, format!("jail {label} already exists")),
        None if flags & JAIL_CREATE == 0 => {
            let is_meant = |one: &Jail| jid.map_or(Some(&one.name) == name.as_ref(), |jid| one.jid == jid);
            let what = if kernel.jails.iter().any(is_meant) { "is dying" } else { "not found" };
            return refuse(ENOENT, format!("jail {label} {what}"));
        }
        Some(jid) => {
            requires_name(kernel, jid, name.as_deref())?;
            change(kernel, jid, &changes)?;
            unknown(&changes)?;
            if flags & JAIL_ATTACH != 0 {
                attach(kernel, jid)?;
            }
            return Ok(jid);
        }
        None => {}
    }
    if changes.bools.get("persist") != Some(&true) && flags & JAIL_ATTACH == 0 {
        return refuse(EINVAL, "new jail must persist or attach");
    }
    requires_name(kernel, jid.unwrap_or(0), name.as_deref())?;
    if changes.ints.get("vnet") == Some(&i64::from(JAIL_SYS_NEW)) && (changes.ip4.is_some() || changes.ip6.is_some()) {
        return refuse(EINVAL, "vnet jails cannot have IP address restrictions");
    }
    // Of a jail within another one.
    if let Some((around, _)) = name.as_deref().and_then(|name| name.rsplit_once('.')) {
        return refuse(ENOENT, format!("jail \"{around}\" not found"));
    }
    let jid = jid.unwrap_or(kernel.last_jid + 1);
    kernel.last_jid = kernel.last_jid.max(jid);
    kernel.jails.push(Jail {
        jid,
        name: name.filter(|name| !name.is_empty()).unwrap_or_else(|| jid.to_string()),
        path: path.unwrap_or_else(|| "/".into()),
        texts: BTreeMap::new(),
        ints: BTreeMap::from([("enforce_statfs".into(), 2), ("children.max".into(), 0), ("devfs_ruleset".into(), 0)]),
        bools: ON_BY_DEFAULT.iter().map(|name| ((*name).into(), true)).collect(),
        ip4: Vec::new(),
        ip6: Vec::new(),
        dying_until: None,
    });
    let made = change(kernel, jid, &changes).and_then(|()| unknown(&changes));
    if let Err(refusal) = made {
        kernel.jails.retain(|one| one.jid != jid);
        return Err(refusal);
    }
    if flags & JAIL_ATTACH != 0 {
        attach(kernel, jid)?;
    }
    Ok(jid)
}

/// No other living jail has the name, and it is no other jail's number.
fn requires_name(kernel: &Kernel, jid: i32, name: Option<&str>) -> Result<(), Refusal> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(()) };
    if kernel.jails.iter().any(|one| one.jid != jid && one.name == name && one.dying_until.is_none()) {
        return refuse(EEXIST, format!("jail \"{name}\" already exists"));
    }
    if name.parse::<i32>().is_ok_and(|number| number != jid) {
        return refuse(EINVAL, "name cannot be numeric (unless it is the jid)");
    }
    Ok(())
}

/// What the options ask for, typed.
#[derive(Default)]
struct Changes {
    names: Vec<&'static str>,
    texts: BTreeMap<&'static str, String>,
    ints: BTreeMap<&'static str, i64>,
    bools: BTreeMap<&'static str, bool>,
    ip4: Option<Vec<Ipv4Addr>>,
    ip6: Option<Vec<Ipv6Addr>>,
    unknown: Option<String>,
}

fn read_changes(options: &Options) -> Result<Changes, Refusal> {
    let mut changes = Changes::default();
    for option in &options.0 {
        if option.name == "errmsg" {
            continue;
        }
        let Some((name, kind, negative)) = parameter(&option.name) else {
            changes.unknown.get_or_insert_with(|| option.name.clone());
            continue;
        };
        if READ_ONLY.contains(&name) {
            changes.unknown.get_or_insert_with(|| option.name.clone());
            continue;
        }
        changes.names.push(name);
        read_value(&mut changes, option, name, kind, negative)?;
    }
    Ok(changes)
}

fn read_value(
    changes: &mut Changes,
    option: &Entry,
    name: &'static str,
    kind: Kind,
    negative: bool,
) -> Result<(), Refusal> {
    match kind {
        Kind::Text => drop(changes.texts.insert(name, text_of(option, name)?)),
        Kind::Bool if option.value.is_some() && option.bytes().len() != 4 => return Err(EINVAL.into()),
        Kind::Bool => drop(changes.bools.insert(name, !negative)),
        Kind::Int | Kind::Sys => {
            let value = option.int()?;
            let range = match name {
                "devfs_ruleset" => 0..=65535,
                "enforce_statfs" => 0..=2,
                "children.max" => 0..=999_999,
                // There is no jail without a host's name, or without any network stack.
                "host" | "vnet" => JAIL_SYS_NEW..=*JAIL_SYS.end(),
                "osreldate" => 1..=i32::MAX,
                _ if kind == Kind::Sys => JAIL_SYS,
                _ => i32::MIN..=i32::MAX,
            };
            if !range.contains(&value) {
                return Err(EINVAL.into());
            }
            // Not below the host's own.
            if name == "securelevel" && value < -1 {
                return Err(EPERM.into());
            }
            changes.ints.insert(name, value.into());
        }
        Kind::Id64 if option.bytes().len() != 8 => return Err(EINVAL.into()),
        Kind::Id64 => {
            let bytes = option.bytes().try_into().expect("its length was checked");
            changes.ints.insert(name, i64::from_le_bytes(bytes));
        }
        Kind::Ip4 => {
            changes.ip4 = Some(addresses(option.bytes(), &[Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST])?);
        }
        Kind::Ip6 => changes.ip6 = Some(addresses(option.bytes(), &[Ipv6Addr::UNSPECIFIED])?),
    }
    Ok(())
}

/// The place of a text in struct prison, in bytes.
pub fn text_size(name: &str) -> usize {
    match name {
        "path" => 1024,
        "host.hostuuid" => 64,
        "osrelease" => 32,
        _ => 256,
    }
}

/// A text that is as short as its place in struct prison.
fn text_of(option: &Entry, name: &str) -> Answer<String> {
    let text = option.text()?;
    if text.len() >= text_size(name) {
        return Err(ENAMETOOLONG);
    }
    if name == "osrelease" && text.is_empty() { Err(EINVAL) } else { Ok(text) }
}

fn unknown(changes: &Changes) -> Result<(), Refusal> {
    changes.unknown.as_ref().map_or(Ok(()), |name| refuse(EINVAL, format!("unknown parameter: {name}")))
}

fn resolve(kernel: &Kernel, path: &str) -> Answer<String> {
    if !path.starts_with('/') {
        return Err(EINVAL);
    }
    if !kernel.machine.real {
        let known = kernel.machine.directories.contains(path) || std::path::Path::new(path).exists();
        return if known { Ok(path.into()) } else { Err(ENOENT) };
    }
    let real = std::fs::canonicalize(path).map_err(|_| ENOENT)?;
    if real.is_dir() { Ok(real.to_string_lossy().into_owned()) } else { Err(ENOTDIR) }
}

fn change(kernel: &mut Kernel, jid: i32, changes: &Changes) -> Result<(), Refusal> {
    clashes(kernel, jid, changes)?;
    let persist_ends = changes.bools.get("persist") == Some(&false);
    let real = kernel.machine.real;
    let Some(jail) = kernel.jails.iter_mut().find(|one| one.jid == jid) else { return Err(EINVAL.into()) };
    let fresh = !jail.ints.contains_key("ip4");
    if fresh {
        for (family, given) in [("ip4", changes.ip4.is_some()), ("ip6", changes.ip6.is_some())] {
            let mode = if given { JAIL_SYS_NEW } else { JAIL_SYS_DISABLE };
            let mode = changes.ints.get(family).copied().unwrap_or(mode.into());
            jail.ints.insert(family.into(), mode);
        }
    }
    for (family, given) in [("ip4", changes.ip4.is_some()), ("ip6", changes.ip6.is_some())] {
        if given && jail.ints.get(family) != Some(&i64::from(JAIL_SYS_NEW)) {
            return Err(EINVAL.into());
        }
    }
    if let Some(list) = &changes.ip4 {
        jail.ip4 = list.clone();
    }
    if let Some(list) = &changes.ip6 {
        jail.ip6 = list.clone();
    }
    for (name, value) in &changes.texts {
        match *name {
            "path" => {}
            "name" if value.is_empty() => {}
            "name" => jail.name.clone_from(value),
            _ => drop(jail.texts.insert((*name).into(), value.clone())),
        }
    }
    for (name, value) in changes.ints.iter().filter(|(name, _)| **name != "jid") {
        jail.ints.insert((*name).into(), *value);
    }
    for (name, value) in &changes.bools {
        jail.bools.insert((*name).into(), *value);
    }
    if persist_ends && (!real || process::members(jail).is_empty()) {
        kernel.jails.retain(|one| one.jid != jid);
    }
    Ok(())
}

/// Two jails may share an address only if it is the only one of each.
fn clashes(kernel: &Kernel, jid: i32, changes: &Changes) -> Result<(), Refusal> {
    let others = || kernel.jails.iter().filter(|one| one.jid != jid && one.dying_until.is_none() && !one.has_vnet());
    let four: Vec<IpAddr> = changes.ip4.iter().flatten().map(|address| (*address).into()).collect();
    let six: Vec<IpAddr> = changes.ip6.iter().flatten().map(|address| (*address).into()).collect();
    if others().any(|one| one.has(&four) && (four.len() > 1 || one.ip4.len() > 1)) {
        return refuse(EADDRINUSE, "IPv4 addresses clash");
    }
    if others().any(|one| one.has(&six) && (six.len() > 1 || one.ip6.len() > 1)) {
        return refuse(EADDRINUSE, "IPv6 addresses clash");
    }
    Ok(())
}

pub fn get(kernel: &mut Kernel, options: &mut Options, flags: i32) -> Answer<i32> {
    reap(kernel);
    let result = try_get(kernel, options, flags);
    said(options, result)
}

fn try_get(kernel: &Kernel, options: &mut Options, flags: i32) -> Result<i32, Refusal> {
    let by_descriptor = JAIL_USE_DESC | JAIL_GET_DESC | JAIL_OWN_DESC;
    let known = if kernel.machine.release >= DESCRIPTORS_SINCE { JAIL_DYING | by_descriptor } else { JAIL_DYING };
    let asked = flags & by_descriptor;
    // One of them at a time: no other use was seen.
    if flags & !known != 0 || asked & asked.wrapping_sub(1) != 0 {
        return Err(EINVAL.into());
    }
    let dying = flags & JAIL_DYING != 0;
    let number = |name: &str| options.find(name).map(Entry::int).transpose();
    let descriptor = number("desc")?;
    if descriptor.is_some() != (asked != 0) {
        return Err(EINVAL.into());
    }
    let (key, jail) = if let (JAIL_USE_DESC, Some(fd)) = (asked, descriptor) {
        let jid = jail_of(fd)?;
        ("desc", find(kernel, dying, &jid.to_string(), |one| one.jid == jid)?)
    } else if let Some(last) = number("lastjid")? {
        let mut after: Vec<&Jail> =
            kernel.jails.iter().filter(|one| one.jid > last && (dying || one.dying_until.is_none())).collect();
        after.sort_by_key(|one| one.jid);
        match after.first() {
            Some(jail) => ("lastjid", *jail),
            None => return refuse(ENOENT, format!("no jail after {last}")),
        }
    } else if let Some(jid) = number("jid")?.filter(|jid| *jid != 0) {
        ("jid", find(kernel, dying, &jid.to_string(), |one| one.jid == jid)?)
    } else if let Some(option) = options.find("name") {
        let name = option.text()?;
        ("name", find(kernel, dying, &format!("\"{name}\""), |one| one.name == name)?)
    } else {
        return refuse(ENOENT, "no jail specified");
    };
    let jid = jail.jid;
    if asked != 0 && asked != JAIL_USE_DESC {
        let fd = fresh(Object::Jail { jid, owns: asked == JAIL_OWN_DESC })?;
        for option in options.0.iter_mut().filter(|one| one.name == "desc") {
            option.answer(&fd.to_le_bytes(), true)?;
        }
    }
    for option in options.0.iter_mut().filter(|one| one.name != key && one.name != "errmsg" && one.name != "desc") {
        let Some((name, kind, negative)) = parameter(&option.name) else {
            return refuse(EINVAL, format!("unknown parameter: {}", option.name));
        };
        give(kernel, option, jail, name, kind, negative)?;
    }
    Ok(jid)
}

fn find<'a>(kernel: &'a Kernel, dying: bool, label: &str, is: impl Fn(&Jail) -> bool) -> Result<&'a Jail, Refusal> {
    let mut matching: Vec<&Jail> = kernel.jails.iter().filter(|one| is(one)).collect();
    matching.sort_by_key(|one| one.dying_until.is_some());
    match matching.first() {
        Some(jail) if dying || jail.dying_until.is_none() => Ok(jail),
        Some(_) => refuse(ENOENT, format!("jail {label} is dying")),
        None => refuse(ENOENT, format!("jail {label} not found")),
    }
}

fn give(kernel: &Kernel, option: &mut Entry, jail: &Jail, name: &str, kind: Kind, negative: bool) -> Answer {
    let text = |value: &str| [value.as_bytes(), &[0]].concat();
    match kind {
        Kind::Text => {
            let value = match name {
                "name" => text(&jail.name),
                "path" => text(&jail.path),
                _ => text(jail.texts.get(name).map_or("", String::as_str)),
            };
            option.answer_text(&value)
        }
        Kind::Bool => {
            let value = if name == "dying" { jail.dying_until.is_some() } else { jail.bools.get(name) == Some(&true) };
            option.answer(&i32::from(value != negative).to_le_bytes(), true)
        }
        Kind::Int | Kind::Sys => {
            let value = match name {
                "jid" => jail.jid,
                "children.cur" | "parent" => 0,
                "osreldate" if !jail.ints.contains_key(name) => kernel.osreldate(),
                _ => jail.ints.get(name).map_or(0, |value| *value as i32),
            };
            option.answer(&value.to_le_bytes(), true)
        }
        Kind::Id64 => option.answer(&jail.ints.get(name).copied().unwrap_or(0).to_le_bytes(), true),
        Kind::Ip4 => option.answer(&jail.ip4.iter().flat_map(Ipv4Addr::octets).collect::<Vec<_>>(), false),
        Kind::Ip6 => option.answer(&jail.ip6.iter().flat_map(Ipv6Addr::octets).collect::<Vec<_>>(), false),
    }
}

fn living(kernel: &Kernel, jid: i32) -> Answer<&Jail> {
    kernel.jails.iter().find(|one| one.jid == jid && one.dying_until.is_none()).ok_or(EINVAL)
}

/// This process, and what it starts, is in the jail from now on.
pub fn attach(kernel: &mut Kernel, jid: i32) -> Answer {
    if process::own_jail() != 0 {
        return Err(EPERM);
    }
    let jail = living(kernel, jid)?;
    if kernel.machine.real && jail.path != "/" {
        let path = std::ffi::CString::new(jail.path.clone()).map_err(|_| EINVAL)?;
        // SAFETY: path is a C string that outlives the calls.
        let failed = unsafe { libc::chdir(path.as_ptr()) != 0 || libc::chroot(path.as_ptr()) != 0 };
        // The host's name is the jail's own; what else there is to a jail stays outside the model.
        let hostname = jail.texts.get("host.hostname").map_or("", String::as_str);
        // SAFETY: the kernel reads as many bytes as it is told.
        let _ = unsafe {
            libc::unshare(libc::CLONE_NEWUTS) == 0 && libc::sethostname(hostname.as_ptr().cast(), hostname.len()) == 0
        };
        if failed {
            return Err(Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(EINVAL.0)));
        }
    }
    process::set_own_jail(jid);
    Ok(())
}

/// Kills what runs in it. One that is dying already is no error.
pub fn remove(kernel: &mut Kernel, jid: i32) -> Answer {
    if process::own_jail() != 0 {
        return Err(EPERM);
    }
    reap(kernel);
    let real = kernel.machine.real;
    // What has no process, and no socket of one, goes at once.
    let at_once = kernel.machine.release >= DESCRIPTORS_SINCE;
    let jail = kernel.jails.iter_mut().find(|one| one.jid == jid).ok_or(EINVAL)?;
    if at_once && (!real || process::members(jail).is_empty()) {
        kernel.jails.retain(|one| one.jid != jid);
        return Ok(());
    }
    if jail.dying_until.is_none() {
        jail.dying_until = Some(now() + DYING.as_millis() as u64);
        if real {
            process::kill_all(jail);
        }
    }
    Ok(())
}

/// Its last process has ended, where the model has no processes.
pub fn end(kernel: &mut Kernel, jid: i32, dying: bool) -> Answer {
    let jail = kernel.jails.iter_mut().find(|one| one.jid == jid).ok_or(EINVAL)?;
    if dying {
        jail.dying_until = Some(u64::MAX);
    } else {
        kernel.jails.retain(|one| one.jid != jid);
    }
    Ok(())
}
