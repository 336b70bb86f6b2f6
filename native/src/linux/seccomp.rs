//! The system call filter of a container's processes, seccomp(2): a classic BPF program, made here.

use crate::common::sys::check;
use crate::spec::Network;
use libc::{
    BPF_ABS, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, c_int, c_long, sock_filter,
};
use std::io;

// linux/audit.h: EM_* | __AUDIT_ARCH_64BIT | __AUDIT_ARCH_LE
#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;

/// struct seccomp_data of linux/seccomp.h.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
/// The low half of an argument; what is tested below is an int, or flags that lie in the low half.
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

/// Newer calls than this list knows answer ENOSYS, as on an older kernel: what they do was not judged.
const FIRST_UNKNOWN: u32 = libc::SYS_mseal as u32 + 1;

/// Namespaces that clone(2) can make. (CLONE_NEWTIME is for clone3 and unshare only.)
const NAMESPACES: c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// Answered with ENOSYS: programs then use the older way, which the filter can judge.
const ABSENT: &[c_long] =
    &[libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// Answered with EPERM: they act on the host, on namespaces, or widen the kernel's surface.
const FORBIDDEN: &[c_long] = &[
    libc::SYS_unshare,
    libc::SYS_setns,
    // mounts
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_fanotify_init,
    // kernel code and its observation
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    KEXEC_FILE_LOAD,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_reboot,
    libc::SYS_vhangup,
    // keys, which are not the container's own
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // the host's clock
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    // other processes' memory and descriptors
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_madvise,
    // where memory lies, and pages handed over by reference
    libc::SYS_mbind,
    libc::SYS_get_mempolicy,
    libc::SYS_set_mempolicy,
    libc::SYS_set_mempolicy_home_node,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_vmsplice,
];

#[cfg(target_arch = "x86_64")]
const KEXEC_FILE_LOAD: c_long = libc::SYS_kexec_file_load;
/// libc has it for no arm64: asm-generic/unistd.h.
#[cfg(target_arch = "aarch64")]
const KEXEC_FILE_LOAD: c_long = 294;

#[cfg(target_arch = "x86_64")]
const FORBIDDEN_HERE: &[c_long] =
    &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_uselib, libc::SYS_sysfs, libc::SYS_ustat, libc::SYS__sysctl];
#[cfg(target_arch = "aarch64")]
const FORBIDDEN_HERE: &[c_long] = &[];

/// personality(2): what is asked for most, linux/personality.h: PER_LINUX, PER_LINUX32, UNAME26 with either, and the
/// question for the present one. Others weaken the protection of memory, or start code of another age in the kernel.
const PERSONALITIES: [u32; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Socket options that step round the container's addresses.
const ROUTING_OPTIONS: [(c_int, c_int); 5] = [
    (libc::SOL_SOCKET, libc::SO_MARK),
    (libc::SOL_SOCKET, libc::SO_BINDTODEVICE),
    (libc::SOL_SOCKET, 62), // SO_BINDTOIFINDEX, asm-generic/socket.h
    (libc::SOL_IP, libc::IP_TRANSPARENT),
    (libc::SOL_IPV6, libc::IPV6_TRANSPARENT),
];

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const fn errno(number: c_int) -> u32 {
    libc::SECCOMP_RET_ERRNO | number as u32
}

fn statement(code: u32, value: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k: value }
}

fn load(offset: u32) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, offset)
}

fn answer(action: u32) -> sock_filter {
    statement(BPF_RET | BPF_K, action)
}

/// Goes on with the next instruction if the test holds, else skips `skip` more.
fn test(operation: u32, value: u32, skip: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | operation | BPF_K) as u16, jt: 0, jf: skip, k: value }
}

/// Calls that are not simply allowed, each with the instructions that decide on it, on every path.
type Judged = (c_long, Vec<sock_filter>);

/// The filter for a container with this network.
pub fn filter(network: Network) -> Vec<sock_filter> {
    let mut program = vec![
        load(ARCH),
        sock_filter { jt: 1, jf: 0, ..test(BPF_JEQ, AUDIT_ARCH, 0) },
        answer(errno(libc::ENOSYS)),
        // The x32 numbers (bit 30) lie above all others, too.
        load(NUMBER),
        test(BPF_JGE, FIRST_UNKNOWN, 1),
        answer(errno(libc::ENOSYS)),
    ];
    let absent = ABSENT.iter().map(|call| (*call, errno(libc::ENOSYS)));
    let forbidden = FORBIDDEN.iter().chain(FORBIDDEN_HERE).map(|call| (*call, errno(libc::EPERM)));
    let mut judged: Vec<Judged> = absent.chain(forbidden).map(|(call, action)| (call, vec![answer(action)])).collect();
    judged.extend([
        (libc::SYS_clone, clone_flags()),
        (libc::SYS_socket, socket_domains()),
        (libc::SYS_socketpair, socket_domains()),
        (libc::SYS_ioctl, terminal_requests()),
        (libc::SYS_personality, personalities()),
    ]);
    if network != Network::Host {
        judged.push((libc::SYS_setsockopt, socket_options()));
    }
    judged.sort_by_key(|(call, _)| *call);
    program.extend(search(&judged));
    program
}

/// Finds the call by halves: the kernel tries a new filter with each number there is, which takes 0.1 ms with one that
/// compares one after the other. Expects the call's number loaded.
fn search(judged: &[Judged]) -> Vec<sock_filter> {
    if judged.len() <= 4 {
        let decide = |(call, body): &Judged| [&[test(BPF_JEQ, *call as u32, body.len() as u8)], &body[..]].concat();
        return judged.iter().flat_map(decide).chain([answer(ALLOW)]).collect();
    }
    let (below, above) = judged.split_at(judged.len() / 2);
    let (first_above, below, above) = (above[0].0 as u32, search(below), search(above));
    // One unconditional jump: a half may be longer than a conditional one reaches.
    let over = statement(BPF_JMP | BPF_JA, below.len() as u32);
    [vec![test(BPF_JGE, first_above, 1), over], below, above].concat()
}

fn clone_flags() -> Vec<sock_filter> {
    vec![load(argument(0)), test(BPF_JSET, NAMESPACES as u32, 1), answer(errno(libc::EPERM)), answer(ALLOW)]
}

fn terminal_requests() -> Vec<sock_filter> {
    vec![
        load(argument(1)),
        test(BPF_JEQ, libc::TIOCSTI as u32, 1),
        answer(errno(libc::EPERM)),
        test(BPF_JEQ, libc::TIOCLINUX as u32, 1),
        answer(errno(libc::EPERM)),
        answer(ALLOW),
    ]
}

/// Unix, IPv4, IPv6, and netlink for routing; packet sockets in no case.
fn socket_domains() -> Vec<sock_filter> {
    let mut body = vec![load(argument(0))];
    for domain in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6] {
        body.extend([test(BPF_JEQ, domain as u32, 1), answer(ALLOW)]);
    }
    body.extend([
        test(BPF_JEQ, libc::AF_NETLINK as u32, 3),
        load(argument(2)),
        test(BPF_JEQ, libc::NETLINK_ROUTE as u32, 1),
        answer(ALLOW),
        answer(errno(libc::EAFNOSUPPORT)),
    ]);
    body
}

fn personalities() -> Vec<sock_filter> {
    let mut body = vec![load(argument(0))];
    for personality in PERSONALITIES {
        body.extend([test(BPF_JEQ, personality, 1), answer(ALLOW)]);
    }
    body.push(answer(errno(libc::EPERM)));
    body
}

fn socket_options() -> Vec<sock_filter> {
    let mut body = Vec::new();
    for (level, option) in ROUTING_OPTIONS {
        body.extend([
            load(argument(1)),
            test(BPF_JEQ, level as u32, 3),
            load(argument(2)),
            test(BPF_JEQ, option as u32, 1),
            answer(errno(libc::EPERM)),
        ]);
    }
    body.push(answer(ALLOW));
    body
}

/// Puts the filter on this process and all it will start; no_new_privs must be set.
pub fn install(filter: &[sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: program and the filter it points to outlive the call; the kernel only reads them.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &program) }).map(drop)
}

#[cfg(test)]
#[path = "seccomp_tests.rs"]
mod tests;
