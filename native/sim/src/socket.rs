//! Sockets and the addresses that a jail leaves them, as recorded on 12.1: prison_local_ip4, prison_check_ip4 of
//! kern/kern_jail.c. Of IPv4, and nothing is sent: that much shows what a jail is confined to.

use crate::descriptor::{Object, Socket, object_of, rebind};
use crate::errno::{Answer, EADDRNOTAVAIL, EAFNOSUPPORT, EBADF, EINVAL, EPERM, EPROTONOSUPPORT};
use crate::family::{AF_INET, AF_INET6};
use crate::memory::{Bytes, BytesMut};
use crate::process;
use crate::state::{Jail, Kernel};
use std::net::Ipv4Addr;

const SOCK_STREAM: i32 = 1;
const SOCK_DGRAM: i32 = 2;
const SOCK_RAW: i32 = 3;
const SOCKADDR: usize = 16;
/// First of net.inet.ip.portrange: the kernel takes one by chance.
const FIRST_PORT: u16 = 49152;

fn own_jail(kernel: &Kernel) -> Option<&Jail> {
    kernel.jails.iter().find(|one| one.jid == process::own_jail())
}

/// socket(2), the kind without SOCK_CLOEXEC.
pub fn open(kernel: &Kernel, family: i32, kind: i32, protocol: i32) -> Answer<Socket> {
    if ![AF_INET, AF_INET6].contains(&family) {
        return Err(EAFNOSUPPORT);
    }
    let jail = own_jail(kernel);
    if jail.is_some_and(|one| family == AF_INET6 && one.ip6.is_empty() && !one.has_vnet()) {
        return Err(EPROTONOSUPPORT);
    }
    let bound = (Ipv4Addr::UNSPECIFIED, 0);
    match kind {
        SOCK_RAW if jail.is_some_and(|one| one.bools.get("allow.raw_sockets") != Some(&true)) => Err(EPERM),
        SOCK_RAW if family == AF_INET && protocol == libc::IPPROTO_ICMP => Ok(Socket { family, raw: true, bound }),
        SOCK_STREAM | SOCK_DGRAM if protocol == 0 => Ok(Socket { family, raw: false, bound }),
        _ => Err(EPROTONOSUPPORT),
    }
}

fn socket_of(fd: i32) -> Answer<Socket> {
    match object_of(fd) {
        Some(Object::Socket(socket)) if socket.family == AF_INET => Ok(socket),
        Some(_) => Err(EINVAL),
        None => Err(EBADF),
    }
}

/// bind(2)
pub fn bind(kernel: &Kernel, fd: i32, address: &[u8]) -> Answer {
    let socket = socket_of(fd)?;
    if address.len() != SOCKADDR || usize::from(address[0]) != SOCKADDR {
        return Err(EINVAL);
    }
    if i32::from(address[1]) != AF_INET {
        return Err(EAFNOSUPPORT);
    }
    let wanted = Ipv4Addr::new(address[4], address[5], address[6], address[7]);
    let ip = allowed(own_jail(kernel), wanted, socket.raw)?;
    let vnet = own_jail(kernel).filter(|one| one.has_vnet()).map_or(0, |one| one.jid);
    let here = kernel.interfaces.iter().filter(|one| one.vnet == vnet);
    if !ip.is_unspecified() && !here.flat_map(|one| &one.addresses).any(|one| one.ip == ip) {
        return Err(EADDRNOTAVAIL);
    }
    let port = address.get_u16be(2);
    let port = if port == 0 && !socket.raw { FIRST_PORT + fd as u16 } else { port };
    rebind(fd, Socket { bound: (ip, port), ..socket });
    Ok(())
}

/// The address that a jail makes of a wanted one: it means its only one by any, its first one by the loopback's.
fn allowed(jail: Option<&Jail>, wanted: Ipv4Addr, raw: bool) -> Answer<Ipv4Addr> {
    let Some(jail) = jail.filter(|one| !one.has_vnet()) else { return Ok(wanted) };
    let first = *jail.ip4.first().ok_or(EAFNOSUPPORT)?;
    match wanted {
        _ if jail.ip4.contains(&wanted) => Ok(wanted),
        _ if raw => Err(EADDRNOTAVAIL),
        Ipv4Addr::UNSPECIFIED => Ok(if jail.ip4.len() == 1 { first } else { wanted }),
        Ipv4Addr::LOCALHOST => Ok(first),
        _ => Err(EADDRNOTAVAIL),
    }
}

/// getsockname(2): as much as there is room for; `length` is the room's, and the name's afterwards.
pub fn name(fd: i32, room: &mut [u8], length: &mut [u8]) -> Answer {
    let (ip, port) = socket_of(fd)?.bound;
    let mut address = [0; SOCKADDR];
    address[0] = SOCKADDR as u8;
    address[1] = AF_INET as u8;
    address[2..4].copy_from_slice(&port.to_be_bytes());
    address[4..8].copy_from_slice(&ip.octets());
    let fits = room.len().min(SOCKADDR);
    room[..fits].copy_from_slice(&address[..fits]);
    length.put_u32(0, SOCKADDR as u32);
    Ok(())
}
