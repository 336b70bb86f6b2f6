//! bpf(4): frames to the network of an interface, and the answers of the machines on it, as net/bpf.h and the RFCs say.

use crate::errno::{Answer, EAGAIN, EBADF, EINVAL, ENOTTY, ENXIO, EPERM};
use crate::memory::{Bytes, BytesMut, at};
use crate::process;
use crate::state::Kernel;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{LazyLock, Mutex, MutexGuard};

const BIOCGBLEN: u64 = 0x4004_4266;
const BIOCSETF: u64 = 0x8010_4267;
const BIOCSETIF: u64 = 0x8020_426c;
const BIOCIMMEDIATE: u64 = 0x8004_4270;
const BIOCSHDRCMPLT: u64 = 0x8004_4275;
const BIOCSDIRECTION: u64 = 0x8004_4277;
/// net.bpf.bufsize
const BUFFER: usize = 4096;
/// struct bpf_hdr with what aligns the frame behind an Ethernet's header.
const HEADER: usize = 26;
const BPF_D_OUT: u32 = 2;
/// BPF_MAXINSNS, and BPF_RET | BPF_K, by which a program has to end.
const BPF_MAXINSNS: usize = 512;
const BPF_RET_K: u16 = 0x06;

/// An open device.
#[derive(Default)]
struct Device {
    interface: Option<String>,
    received: VecDeque<Vec<u8>>,
}

static DEVICES: LazyLock<Mutex<HashMap<i32, Device>>> = LazyLock::new(Mutex::default);

fn devices() -> MutexGuard<'static, HashMap<i32, Device>> {
    DEVICES.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

pub fn open(fd: i32) {
    devices().insert(fd, Device::default());
}

/// # Safety
/// The argument is what the request asks for.
pub unsafe fn ioctl(kernel: &Kernel, fd: i32, request: u64, argument: u64) -> Answer {
    if process::own_jail() != 0 {
        return Err(EPERM);
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { at(argument, (request >> 16 & 0x1fff) as usize)? };
    let mut devices = devices();
    let device = devices.get_mut(&fd).ok_or(EBADF)?;
    match request {
        BIOCGBLEN => bytes.put_u32(0, BUFFER as u32),
        BIOCSETIF => {
            let name = bytes.get_name(0, 16)?;
            if !kernel.interfaces.iter().any(|one| one.name == name && one.vnet == 0) {
                return Err(ENXIO);
            }
            device.interface = Some(name);
        }
        BIOCIMMEDIATE | BIOCSHDRCMPLT => {}
        BIOCSDIRECTION if bytes.get_u32(0) > BPF_D_OUT => return Err(EINVAL),
        BIOCSDIRECTION => {}
        BIOCSETF => {
            let length = bytes.get_u32(0) as usize;
            // SAFETY: the caller's program has as many instructions as it says.
            let program = unsafe { at(bytes.get_u64(8), length * 8)? };
            if length == 0 || length > BPF_MAXINSNS || program.get_u16((length - 1) * 8) != BPF_RET_K {
                return Err(EINVAL);
            }
        }
        _ => return Err(ENOTTY),
    }
    Ok(())
}

/// A frame goes out; who is asked for there answers.
pub fn write(kernel: &Kernel, fd: i32, frame: &[u8]) -> Answer<usize> {
    let mut devices = devices();
    let device = devices.get_mut(&fd).ok_or(EBADF)?;
    let name = device.interface.as_deref().ok_or(ENXIO)?;
    let here = kernel.machine.neighbours.iter().filter(|one| one.interface == name);
    device.received.extend(here.filter_map(|one| answer(frame, one.ip, one.link)));
    Ok(frame.len())
}

/// The next frame with its header, if the caller asks for as much as the buffer holds.
pub fn read(fd: i32, room: &mut [u8]) -> Answer<usize> {
    if room.len() != BUFFER {
        return Err(EINVAL);
    }
    let mut devices = devices();
    let frame = devices.get_mut(&fd).ok_or(EBADF)?.received.pop_front().ok_or(EAGAIN)?;
    room[..HEADER].fill(0);
    room.put_u32(16, frame.len() as u32);
    room.put_u32(20, frame.len() as u32);
    room.put_u16(24, HEADER as u16);
    room[HEADER..HEADER + frame.len()].copy_from_slice(&frame);
    Ok(HEADER + frame.len())
}

/// What a machine says to an ARP request, RFC 826, or to a neighbour solicitation, RFC 4861.
fn answer(frame: &[u8], ip: IpAddr, link: [u8; 6]) -> Option<Vec<u8>> {
    const ETHERTYPE: usize = 12;
    let asker = frame.get(6..12)?;
    let body = frame.get(14..)?;
    match (ip, frame.get_u16be(ETHERTYPE)) {
        (IpAddr::V4(own), 0x0806) if body.len() >= 28 && body.get_u16be(6) == 1 && body[24..28] == own.octets() => {
            let head = [asker, &link, &[0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 2]].concat();
            Some([&head, &link[..], &own.octets(), &body[8..14], &body[14..18]].concat())
        }
        (IpAddr::V6(own), 0x86dd) if body.len() >= 64 && body[40] == 135 && body[48..64] == own.octets() => {
            let all_nodes = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
            let head = [&[0x33, 0x33, 0, 0, 0, 1][..], &link, &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, 58, 255]].concat();
            Some([&head, &own.octets()[..], &all_nodes, &[136, 0, 0, 0, 0x20, 0, 0, 0], &own.octets()].concat())
        }
        _ => None,
    }
}
