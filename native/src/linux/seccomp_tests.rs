use super::*;

/// What the kernel's interpreter does with the instructions used here.
fn run(filter: &[sock_filter], arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = [0u8; 64];
    data[0..4].copy_from_slice(&number.to_le_bytes());
    data[4..8].copy_from_slice(&arch.to_le_bytes());
    for (index, argument) in arguments.iter().enumerate() {
        data[16 + 8 * index..24 + 8 * index].copy_from_slice(&argument.to_le_bytes());
    }
    let (mut accumulator, mut at) = (0u32, 0usize);
    loop {
        let sock_filter { code, jt, jf, k } = filter[at];
        at += 1;
        let branch = |holds: bool| if holds { jt as usize } else { jf as usize };
        at += match code as u32 {
            code if code == BPF_LD | BPF_W | BPF_ABS => {
                let offset = k as usize;
                accumulator = u32::from_le_bytes(data[offset..offset + 4].try_into().unwrap());
                0
            }
            code if code == BPF_RET | BPF_K => return k,
            code if code == BPF_JMP | BPF_JA => k as usize,
            code if code == BPF_JMP | BPF_JEQ | BPF_K => branch(accumulator == k),
            code if code == BPF_JMP | BPF_JGE | BPF_K => branch(accumulator >= k),
            code if code == BPF_JMP | BPF_JSET | BPF_K => branch(accumulator & k != 0),
            code => panic!("instruction {code:#x}"),
        };
    }
}

fn judged(network: Network, call: c_long, arguments: &[u64]) -> u32 {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    run(&filter(network), AUDIT_ARCH, call as u32, all)
}

#[test]
fn ordinary_calls_pass() {
    for call in [libc::SYS_read, libc::SYS_execve, libc::SYS_ptrace, libc::SYS_name_to_handle_at, libc::SYS_mseal] {
        assert_eq!(judged(Network::Addresses, call, &[]), ALLOW, "{call}");
    }
}

#[test]
fn other_architectures_and_unknown_numbers_do_not_exist() {
    let filter = filter(Network::Host);
    assert_eq!(run(&filter, 0x4000_0003, libc::SYS_read as u32, [0; 6]), errno(libc::ENOSYS)); // i386
    assert_eq!(run(&filter, AUDIT_ARCH, 0x4000_0000, [0; 6]), errno(libc::ENOSYS)); // x32
    assert_eq!(run(&filter, AUDIT_ARCH, FIRST_UNKNOWN, [0; 6]), errno(libc::ENOSYS));
}

#[test]
fn the_lists_are_answered() {
    for call in ABSENT {
        assert_eq!(judged(Network::Host, *call, &[]), errno(libc::ENOSYS), "{call}");
    }
    for call in FORBIDDEN.iter().chain(FORBIDDEN_HERE) {
        assert_eq!(judged(Network::Host, *call, &[]), errno(libc::EPERM), "{call}");
    }
}

#[test]
fn all_others_pass() {
    let looked_at = [
        libc::SYS_clone,
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_ioctl,
        libc::SYS_personality,
        libc::SYS_setsockopt,
    ];
    let named: Vec<c_long> = [ABSENT, FORBIDDEN, FORBIDDEN_HERE, &looked_at].concat();
    for call in (0..FIRST_UNKNOWN as c_long).filter(|call| !named.contains(call)) {
        assert_eq!(judged(Network::Addresses, call, &[]), ALLOW, "{call}");
    }
}

#[test]
fn threads_and_forks_pass_and_namespaces_do_not() {
    let clone = |flags: c_int| judged(Network::Addresses, libc::SYS_clone, &[flags as u32 as u64]);
    assert_eq!(clone(libc::SIGCHLD), ALLOW);
    assert_eq!(clone(libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND), ALLOW);
    for namespace in
        [libc::CLONE_NEWUSER, libc::CLONE_NEWNS, libc::CLONE_NEWNET, libc::CLONE_NEWPID, libc::CLONE_NEWIPC]
    {
        assert_eq!(clone(namespace | libc::SIGCHLD), errno(libc::EPERM));
    }
}

#[test]
fn sockets_by_domain() {
    let socket = |domain: c_int, protocol: c_int| {
        judged(Network::Host, libc::SYS_socket, &[domain as u64, libc::SOCK_RAW as u64, protocol as u64])
    };
    for domain in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6] {
        assert_eq!(socket(domain, 6), ALLOW);
    }
    assert_eq!(socket(libc::AF_NETLINK, libc::NETLINK_ROUTE), ALLOW);
    assert_eq!(socket(libc::AF_NETLINK, libc::NETLINK_NETFILTER), errno(libc::EAFNOSUPPORT));
    for domain in [libc::AF_PACKET, libc::AF_VSOCK, libc::AF_ALG, libc::AF_BLUETOOTH, libc::AF_UNSPEC] {
        assert_eq!(socket(domain, 0), errno(libc::EAFNOSUPPORT), "{domain}");
    }
    // The kernel looks at the low half only, and so must the filter.
    let high = 1u64 << 32 | libc::AF_PACKET as u64;
    assert_eq!(judged(Network::Addresses, libc::SYS_socket, &[high]), errno(libc::EAFNOSUPPORT));
    assert_eq!(judged(Network::Addresses, libc::SYS_socketpair, &[libc::AF_PACKET as u64]), errno(libc::EAFNOSUPPORT));
}

#[test]
fn socket_options_that_leave_the_address() {
    for (level, option) in ROUTING_OPTIONS {
        let arguments = [3, level as u64, option as u64];
        assert_eq!(judged(Network::Addresses, libc::SYS_setsockopt, &arguments), errno(libc::EPERM));
        assert_eq!(judged(Network::None, libc::SYS_setsockopt, &arguments), errno(libc::EPERM));
        assert_eq!(judged(Network::Host, libc::SYS_setsockopt, &arguments), ALLOW);
    }
    let reuse = [3, libc::SOL_SOCKET as u64, libc::SO_REUSEADDR as u64];
    assert_eq!(judged(Network::Addresses, libc::SYS_setsockopt, &reuse), ALLOW);
}

#[test]
fn terminals_are_not_typed_into() {
    for request in [libc::TIOCSTI, libc::TIOCLINUX] {
        assert_eq!(judged(Network::Host, libc::SYS_ioctl, &[0, request]), errno(libc::EPERM));
        assert_eq!(judged(Network::Host, libc::SYS_ioctl, &[0, 7 << 32 | request]), errno(libc::EPERM));
    }
    assert_eq!(judged(Network::Host, libc::SYS_ioctl, &[0, libc::TIOCGWINSZ]), ALLOW);
}

#[test]
fn the_kernel_takes_it() {
    // SAFETY: the child makes only system calls on plain values and leaves by _exit.
    let status = unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            if install(&filter(Network::Addresses)).is_err() {
                libc::_exit(1);
            }
            let refused = |result: c_long, number: c_int| result == -1 && *libc::__errno_location() == number;
            let packet = libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0).into();
            let as_told = refused(packet, libc::EAFNOSUPPORT)
                && refused(libc::syscall(libc::SYS_unshare, libc::CLONE_NEWUSER), libc::EPERM)
                && refused(libc::syscall(libc::SYS_clone3, 0, 0), libc::ENOSYS)
                && libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) >= 0;
            libc::_exit(if as_told { 0 } else { 2 });
        }
        let mut status = -1;
        libc::waitpid(child, &mut status, 0);
        status
    };
    assert_eq!(status, 0);
}

#[test]
fn personalities_that_weaken_the_protection_of_memory_are_refused() {
    for allowed in [0, 8, 0xffff_ffff] {
        assert_eq!(judged(Network::Addresses, libc::SYS_personality, &[allowed]), ALLOW, "{allowed:#x}");
    }
    for refused in [0x004_0000, 0x040_0000, 0x010_0000, 6] {
        assert_eq!(judged(Network::Host, libc::SYS_personality, &[refused]), errno(libc::EPERM), "{refused:#x}");
    }
}
