//! Network interfaces and their addresses, netintro(4): the ioctls of control sockets.

use crate::errno::{
    Answer, EADDRNOTAVAIL, EBUSY, EEXIST, EINVAL, ENAMETOOLONG, ENOENT, ENOMSG, ENXIO, EOPNOTSUPP, EPERM,
    EPROTONOSUPPORT,
};
use crate::family::{AF_INET, AF_INET6};
use crate::memory::{Bytes, BytesMut, at};
use crate::process;
use crate::state::{Address, IFF_UP, Interface, Kernel};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const IFNAMSIZ: usize = 16;
/// net.ifdescr_maxlen
const DESCRIPTION_LIMIT: u64 = 1024;
const INFINITE: u32 = u32::MAX;
/// Flags that are the kernel's own, IFF_CANTCHANGE of net/if.h: what a request says of them is passed over.
const IFF_CANTCHANGE: u32 = 0x2 | 0x10 | 0x40 | 0x100 | 0x200 | 0x400 | 0x800 | 0x8000;
const IN6_IFF_NODAD: u32 = 0x20;
const INET_SIZE: usize = 16;
const INET6_SIZE: usize = 28;

/// A sockaddr of the right length and family, or EINVAL: the kernel would take a wrong one for something else.
fn ipv4(bytes: &[u8], offset: usize) -> Answer<Ipv4Addr> {
    let strict = bytes.get_u8(offset) == INET_SIZE as u8 && bytes.get_u8(offset + 1) == AF_INET as u8;
    let rest = &bytes[offset + 8..offset + 16];
    if !strict || bytes.get_u16(offset + 2) != 0 || rest.iter().any(|byte| *byte != 0) {
        return Err(EINVAL);
    }
    Ok(Ipv4Addr::new(bytes[offset + 4], bytes[offset + 5], bytes[offset + 6], bytes[offset + 7]))
}

fn ipv6(bytes: &[u8], offset: usize) -> Answer<Ipv6Addr> {
    let strict = bytes.get_u8(offset) == INET6_SIZE as u8 && bytes.get_u8(offset + 1) == AF_INET6 as u8;
    // Neither port, nor flow, nor scope.
    let rest = bytes[offset + 2..offset + 8].iter().chain(&bytes[offset + 24..offset + 28]);
    if !strict || rest.into_iter().any(|byte| *byte != 0) {
        return Err(EINVAL);
    }
    let octets: [u8; 16] = bytes[offset + 8..offset + 24].try_into().expect("16 bytes were taken");
    Ok(octets.into())
}

/// A virtual host id needs carp(4), which is not there.
fn without_carp(vhid: u32) -> Answer {
    if vhid == 0 { Ok(()) } else { Err(EPROTONOSUPPORT) }
}

/// The length of a netmask; EINVAL for one with holes, or none.
fn prefix_length(mask: &[u8]) -> Answer<u8> {
    let ones = mask.iter().take_while(|byte| **byte == 0xff).count();
    let rest = mask.get(ones).copied().unwrap_or(0);
    let length = ones * 8 + rest.leading_ones() as usize;
    let whole = mask.iter().map(|byte| byte.count_ones() as usize).sum::<usize>();
    if length == whole && length > 0 { Ok(length as u8) } else { Err(EINVAL) }
}

/// Which interface a request is about: one of the network stack that the caller is in.
fn named<'a>(kernel: &'a mut Kernel, name: &str, vnet: i32) -> Answer<&'a mut Interface> {
    kernel.interfaces.iter_mut().find(|one| one.name == name && one.vnet == vnet).ok_or(ENXIO)
}

/// Requests that change something, sys/sockio.h.
const CHANGES: &[u64] = &[
    SIOCSIFFLAGS,
    SIOCDIFADDR,
    SIOCSIFNAME,
    SIOCSIFDESCR,
    SIOCAIFADDR,
    SIOCSIFVNET,
    SIOCSIFRVNET,
    SIOCIFDESTROY,
    SIOCSDRVSPEC,
    SIOCIFCREATE2,
    SIOCAIFGROUP,
    SIOCDIFGROUP,
    SIOCDIFADDR_IN6,
    SIOCAIFADDR_IN6,
];
const SIOCSIFFLAGS: u64 = 0x8020_6910;
const SIOCGIFFLAGS: u64 = 0xc020_6911;
const SIOCDIFADDR: u64 = 0x8020_6919;
const SIOCSIFNAME: u64 = 0x8020_6928;
const SIOCSIFDESCR: u64 = 0x8020_6929;
const SIOCGIFDESCR: u64 = 0xc020_692a;
const SIOCAIFADDR: u64 = 0x8044_692b;
const SIOCSIFVNET: u64 = 0xc020_695a;
const SIOCSIFRVNET: u64 = 0xc020_695b;
const SIOCIFDESTROY: u64 = 0x8020_6979;
const SIOCSDRVSPEC: u64 = 0x8028_697b;
const SIOCIFCREATE2: u64 = 0xc020_697c;
const SIOCAIFGROUP: u64 = 0x8028_6987;
const SIOCGIFGROUP: u64 = 0xc028_6988;
const SIOCDIFGROUP: u64 = 0x8028_6989;
const SIOCGIFGMEMB: u64 = 0xc028_698a;
const SIOCDIFADDR_IN6: u64 = 0x8120_6919;
const SIOCAIFADDR_IN6: u64 = 0x8088_691b;

/// # Safety
/// `argument` is the address of as many bytes as the request says, and pointers in it are good.
pub unsafe fn ioctl(kernel: &mut Kernel, family: i32, request: u64, argument: u64) -> Answer {
    let size = (request >> 16 & 0x1fff) as usize;
    // SAFETY: the caller's promise.
    let bytes = unsafe { at(argument, size)? };
    let own = process::own_jail();
    let vnet = kernel.jails.iter().find(|one| one.jid == own).is_some_and(|one| one.has_vnet()).then_some(own);
    if own != 0 && vnet.is_none() && CHANGES.contains(&request) {
        return Err(EPERM);
    }
    let vnet = vnet.unwrap_or(0);
    let name = bytes.get_name(0, IFNAMSIZ)?;
    let (needs6, needs4) =
        (matches!(request, SIOCAIFADDR_IN6 | SIOCDIFADDR_IN6), matches!(request, SIOCAIFADDR | SIOCDIFADDR));
    if (needs6 && family != AF_INET6) || (needs4 && family != AF_INET) {
        return Err(EINVAL);
    }
    match request {
        SIOCIFCREATE2 => {
            let made = create(kernel, &name)?;
            bytes.put_name(0, IFNAMSIZ, &made)
        }
        SIOCIFDESTROY => destroy(kernel, &name, vnet),
        // SAFETY: the caller's promise.
        SIOCSIFNAME => rename(kernel, &name, vnet, &unsafe { at(bytes.get_u64(16), IFNAMSIZ)? }.get_name(0, IFNAMSIZ)?),
        SIOCGIFFLAGS => {
            let flags = named(kernel, &name, vnet)?.flags;
            bytes.put_u32(16, flags);
            Ok(())
        }
        SIOCSIFFLAGS => {
            let wanted = bytes.get_u32(16);
            let one = named(kernel, &name, vnet)?;
            // Another one was not seen to be set, nor taken back.
            if (wanted ^ one.flags) & !(IFF_UP | IFF_CANTCHANGE) != 0 {
                return Err(EINVAL);
            }
            if wanted & IFF_UP != 0 {
                one.bring_up();
            } else {
                one.flags &= !IFF_UP;
            }
            Ok(())
        }
        SIOCAIFADDR => {
            let (ip, mask) = (ipv4(bytes, 16)?, ipv4(bytes, 48)?);
            let broadcast = if bytes[32..48].iter().all(|byte| *byte == 0) { None } else { Some(ipv4(bytes, 32)?) };
            let prefix = prefix_length(&mask.octets())?;
            let one = named(kernel, &name, vnet)?;
            without_carp(bytes.get_u32(64))?;
            one.add(Address { ip: ip.into(), prefix, broadcast });
            Ok(())
        }
        SIOCDIFADDR => withdraw(named(kernel, &name, vnet)?, ipv4(bytes, 16)?.into()),
        SIOCAIFADDR_IN6 => {
            let (ip, mask) = (ipv6(bytes, 16)?, ipv6(bytes, 72)?);
            // No peer, no flag but one, no time at which it ends.
            let plain = bytes[44..72].iter().chain(&bytes[104..120]).all(|byte| *byte == 0);
            if !plain || bytes.get_u32(100) & !IN6_IFF_NODAD != 0 {
                return Err(EINVAL);
            }
            if bytes.get_u32(120) != INFINITE || bytes.get_u32(124) != INFINITE {
                return Err(EINVAL);
            }
            let prefix = prefix_length(&mask.octets())?;
            let one = named(kernel, &name, vnet)?;
            without_carp(bytes.get_u32(128))?;
            one.add(Address { ip: ip.into(), prefix, broadcast: None });
            Ok(())
        }
        SIOCDIFADDR_IN6 => withdraw(named(kernel, &name, vnet)?, ipv6(bytes, 16)?.into()),
        // SAFETY: the caller's promise.
        SIOCSIFDESCR => unsafe { describe(named(kernel, &name, vnet)?, bytes) },
        // SAFETY: the caller's promise.
        SIOCGIFDESCR => unsafe { description(named(kernel, &name, vnet)?, bytes) },
        SIOCAIFGROUP | SIOCDIFGROUP => {
            let group = bytes.get_name(24, IFNAMSIZ)?;
            change_group(named(kernel, &name, vnet)?, &group, request == SIOCAIFGROUP)
        }
        SIOCGIFGROUP => {
            let groups = named(kernel, &name, vnet)?.groups.clone();
            // SAFETY: the caller's promise.
            unsafe { give_names(bytes, &groups) }
        }
        SIOCGIFGMEMB => {
            let in_group = |one: &&Interface| one.vnet == vnet && one.groups.contains(&name);
            let members: Vec<String> = kernel.interfaces.iter().filter(in_group).map(|one| one.name.clone()).collect();
            if members.is_empty() {
                return Err(ENOENT);
            }
            // SAFETY: the caller's promise.
            unsafe { give_names(bytes, &members) }
        }
        // SAFETY: the caller's promise.
        SIOCSDRVSPEC => unsafe { bridge(kernel, &name, bytes) },
        SIOCSIFVNET | SIOCSIFRVNET => {
            let jid = bytes.get_i32(16);
            if !kernel.jails.iter().any(|one| one.jid == jid && one.has_vnet()) {
                return Err(ENXIO);
            }
            let (from, to) = if request == SIOCSIFVNET { (vnet, jid) } else { (jid, vnet) };
            named(kernel, &name, from)?;
            if named(kernel, &name, to).is_ok() {
                return Err(EEXIST);
            }
            let one = named(kernel, &name, from)?;
            one.vnet = to;
            one.addresses.clear();
            Ok(())
        }
        _ => Err(EINVAL),
    }
}

fn withdraw(one: &mut Interface, ip: IpAddr) -> Answer {
    let before = one.addresses.len();
    one.addresses.retain(|address| address.ip != ip);
    if one.addresses.len() == before { Err(EADDRNOTAVAIL) } else { Ok(()) }
}

fn create(kernel: &mut Kernel, name: &str) -> Answer<String> {
    let driver = name.trim_end_matches(|character: char| character.is_ascii_digit());
    let module = match driver {
        "lo" => None,
        "bridge" => Some("if_bridge"),
        "epair" => Some("if_epair"),
        _ => return Err(EINVAL),
    };
    if module.is_some_and(|module| !kernel.has_module(module)) {
        return Err(EINVAL);
    }
    let digits = &name[driver.len()..];
    let taken =
        |kernel: &Kernel, unit: u32| kernel.interfaces.iter().any(|one| one.driver == driver && one.unit == unit);
    let unit = match digits {
        "" => (0..).find(|unit| !taken(kernel, *unit)).expect("a unit is free"),
        // ifc_name2unit: no zeros in front, and an int.
        digits if digits.len() > 1 && digits.starts_with('0') => return Err(EINVAL),
        digits => digits.parse::<i32>().map_err(|_| EINVAL)? as u32,
    };
    if taken(kernel, unit) {
        return Err(EEXIST);
    }
    let ends: &[&str] = if driver == "epair" { &["a", "b"] } else { &[""] };
    let names: Vec<String> = ends.iter().map(|end| format!("{driver}{unit}{end}")).collect();
    if kernel.interfaces.iter().any(|one| names.contains(&one.name)) {
        return Err(EEXIST);
    }
    for name in &names {
        kernel.interfaces.push(Interface::cloned(driver, name, unit, kernel.next_index));
        kernel.next_index += 1;
    }
    Ok(names[0].clone())
}

fn destroy(kernel: &mut Kernel, name: &str, vnet: i32) -> Answer {
    let one = named(kernel, name, vnet)?;
    if !one.cloned {
        return Err(EINVAL);
    }
    let (driver, unit) = (one.driver.clone(), one.unit);
    // Both ends of an epair go together.
    kernel.interfaces.retain(|one| !(one.cloned && one.driver == driver && one.unit == unit));
    for bridge in &mut kernel.interfaces {
        bridge.members.retain(|member| member != name);
    }
    Ok(())
}

fn rename(kernel: &mut Kernel, from: &str, vnet: i32, to: &str) -> Answer {
    named(kernel, from, vnet)?;
    if to.is_empty() {
        return Err(EINVAL);
    }
    if kernel.interfaces.iter().any(|one| one.name == to && one.vnet == vnet) {
        return Err(EEXIST);
    }
    named(kernel, from, vnet)?.name = to.into();
    Ok(())
}

unsafe fn describe(one: &mut Interface, bytes: &[u8]) -> Answer {
    let length = bytes.get_u64(16);
    if length > DESCRIPTION_LIMIT {
        return Err(ENAMETOOLONG);
    }
    // SAFETY: the caller's promise.
    let text = unsafe { at(bytes.get_u64(24), length as usize)? };
    one.description = match text.split_last() {
        None => None,
        Some((0, text)) => Some(String::from_utf8(text.to_vec()).map_err(|_| EINVAL)?),
        Some(_) => return Err(EINVAL),
    };
    Ok(())
}

unsafe fn description(one: &Interface, bytes: &mut [u8]) -> Answer {
    let text = one.description.as_ref().ok_or(ENOMSG)?;
    let needed = text.len() as u64 + 1;
    if bytes.get_u64(16) < needed {
        bytes.put_u64(24, 0);
    } else {
        // SAFETY: the caller's promise.
        let room = unsafe { at(bytes.get_u64(24), needed as usize)? };
        room[..text.len()].copy_from_slice(text.as_bytes());
        room[text.len()] = 0;
    }
    bytes.put_u64(16, needed);
    Ok(())
}

fn change_group(one: &mut Interface, group: &str, add: bool) -> Answer {
    let is_in = one.groups.iter().any(|name| name == group);
    match (add, is_in) {
        (true, _) if group.is_empty() || group.ends_with(|last: char| last.is_ascii_digit()) => Err(EINVAL),
        (true, true) => Err(EEXIST),
        (true, false) => {
            one.groups.push(group.into());
            Ok(())
        }
        (false, true) => {
            one.groups.retain(|name| name != group);
            Ok(())
        }
        (false, false) => Err(ENOENT),
    }
}

/// The names of a group request; their size alone when the caller has no room.
unsafe fn give_names(bytes: &mut [u8], names: &[String]) -> Answer {
    let needed = (names.len() * IFNAMSIZ) as u32;
    let room = bytes.get_u32(16);
    if room != 0 {
        if room < needed {
            return Err(EINVAL);
        }
        // SAFETY: the caller's promise.
        let list = unsafe { at(bytes.get_u64(24), room as usize)? };
        for (index, name) in names.iter().enumerate() {
            list.put_name(index * IFNAMSIZ, IFNAMSIZ, name)?;
        }
    }
    bytes.put_u32(16, needed);
    Ok(())
}

unsafe fn bridge(kernel: &mut Kernel, name: &str, bytes: &[u8]) -> Answer {
    const BRDGADD: u64 = 0;
    const BRDGDEL: u64 = 1;
    const IFBREQ: u64 = 80;
    if named(kernel, name, 0)?.driver != "bridge" {
        return Err(EOPNOTSUPP);
    }
    if bytes.get_u64(24) != IFBREQ {
        return Err(EINVAL);
    }
    // SAFETY: the caller's promise.
    let member = unsafe { at(bytes.get_u64(32), IFBREQ as usize)? }.get_name(0, IFNAMSIZ)?;
    let holder = kernel.interfaces.iter().find(|one| one.members.contains(&member)).map(|one| one.name.clone());
    match bytes.get_u64(16) {
        BRDGADD => {
            // Ethernet alone: neither a loopback interface nor another bridge.
            if ["lo", "bridge", "pflog"].contains(&named(kernel, &member, 0).map_err(|_| ENOENT)?.driver.as_str()) {
                return Err(EINVAL);
            }
            match holder {
                Some(holder) => Err(if holder == name { EEXIST } else { EBUSY }),
                None => {
                    named(kernel, name, 0)?.members.push(member);
                    Ok(())
                }
            }
        }
        BRDGDEL if holder.as_deref() == Some(name) => {
            named(kernel, name, 0)?.members.retain(|one| *one != member);
            Ok(())
        }
        BRDGDEL => Err(ENOENT),
        _ => Err(EINVAL),
    }
}

const IFADDRS: usize = 56;
const AF_LINK: u8 = 18;
const SOCKADDR_DL: usize = 54;
/// IFT_LOOP, IFT_ETHER and IFT_BRIDGE of net/if_types.h
fn link_type(driver: &str) -> u8 {
    match driver {
        "lo" => 24,
        "bridge" => 209,
        _ => 6,
    }
}

/// One element of getifaddrs(3): name, flags, address, netmask, broadcast or peer.
struct Element<'a> {
    one: &'a Interface,
    sockaddrs: [Vec<u8>; 3],
}

/// The list of getifaddrs(3) in one block from malloc(3); 0 when there are no interfaces.
pub fn list(kernel: &Kernel) -> u64 {
    let own = process::own_jail();
    let elements: Vec<Element<'_>> =
        kernel.interfaces.iter().filter(|one| one.vnet == 0 || one.vnet == own).flat_map(elements).collect();
    let size: usize = elements
        .iter()
        .map(|element| IFADDRS + IFNAMSIZ + element.sockaddrs.iter().map(|one| padded(one.len())).sum::<usize>())
        .sum();
    if size == 0 {
        return 0;
    }
    // SAFETY: a block of the size that all parts add up to; freed by freeifaddrs.
    let base = unsafe { libc::calloc(1, size) } as u64;
    // SAFETY: as above.
    let block = unsafe { std::slice::from_raw_parts_mut(base as *mut u8, size) };
    let mut end = 0;
    for (index, element) in elements.iter().enumerate() {
        let head = end;
        end += IFADDRS;
        block.put_u64(head + 8, base + end as u64);
        let _ = block.put_name(end, IFNAMSIZ, &element.one.name);
        end += IFNAMSIZ;
        block.put_u32(head + 16, element.one.flags);
        for (sockaddr, field) in element.sockaddrs.iter().zip([24, 32, 40]) {
            if !sockaddr.is_empty() {
                block.put_u64(head + field, base + end as u64);
                block[end..end + sockaddr.len()].copy_from_slice(sockaddr);
                end += padded(sockaddr.len());
            }
        }
        if index + 1 < elements.len() {
            block.put_u64(head, base + end as u64);
        }
    }
    base
}

fn padded(length: usize) -> usize {
    length.div_ceil(8) * 8
}

fn elements(one: &Interface) -> Vec<Element<'_>> {
    let mut link = vec![0; SOCKADDR_DL];
    link[0] = SOCKADDR_DL as u8;
    link[1] = AF_LINK;
    link.put_u16(2, one.index);
    link[4] = link_type(&one.driver);
    link[5] = one.name.len() as u8;
    link[8..8 + one.name.len()].copy_from_slice(one.name.as_bytes());
    if let Some(address) = one.link {
        link[6] = 6;
        let start = 8 + one.name.len();
        link[start..start + 6].copy_from_slice(&address);
    }
    let addresses = one.addresses.iter().map(|address| Element {
        one,
        sockaddrs: [
            sockaddr(address.ip, one.index),
            sockaddr(mask(address), 0),
            address.broadcast.map_or_else(Vec::new, |ip| sockaddr(ip.into(), 0)),
        ],
    });
    [Element { one, sockaddrs: [link, Vec::new(), Vec::new()] }].into_iter().chain(addresses).collect()
}

fn mask(address: &Address) -> IpAddr {
    let bits = u32::from(address.prefix);
    match address.ip {
        IpAddr::V4(_) => Ipv4Addr::from(u32::MAX.checked_shl(32 - bits).unwrap_or(0)).into(),
        IpAddr::V6(_) => Ipv6Addr::from(u128::MAX.checked_shl(128 - bits).unwrap_or(0)).into(),
    }
}

fn sockaddr(ip: IpAddr, index: u16) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => [&[INET_SIZE as u8, AF_INET as u8, 0, 0][..], &ip.octets(), &[0; 8]].concat(),
        IpAddr::V6(ip) => {
            let scope = if ip.is_unicast_link_local() { u32::from(index) } else { 0 };
            [&[INET6_SIZE as u8, AF_INET6 as u8, 0, 0, 0, 0, 0, 0][..], &ip.octets(), &scope.to_le_bytes()].concat()
        }
    }
}
