//! Signals of the supervisor and of what it starts.

use crate::common::sys::set_signal_action;
use std::ptr::null_mut;

extern "C" fn noted(_number: libc::c_int) {}

/// Signals that wait for a moment that suits: `poll` lets them in.
pub fn hold_child_signal() {
    set_signal_action(libc::SIGCHLD, noted as *const () as libc::sighandler_t);
    // SAFETY: the set is made before it is read.
    unsafe {
        let mut held = std::mem::zeroed();
        libc::sigemptyset(&mut held);
        libc::sigaddset(&mut held, libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_BLOCK, &held, null_mut());
    }
}

/// poll(2) that the end of a child interrupts, ppoll(2).
pub fn poll(polled: &mut [libc::pollfd], timeout_ms: Option<u64>) {
    let timeout = timeout_ms.map(|wait| libc::timespec {
        tv_sec: (wait / 1000) as libc::time_t,
        tv_nsec: ((wait % 1000) * 1_000_000) as libc::c_long,
    });
    // SAFETY: an empty set is made and read, and all pointers are of live values.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        let timeout = timeout.as_ref().map_or(std::ptr::null(), |timeout| &raw const *timeout);
        libc::ppoll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout, &none);
    }
}

/// A program starts as from a login: nothing ignored, nothing held.
pub fn reset() {
    // SIG_MAXSIG of sys/_sig.h; numbers that a system does not have are refused one by one.
    for number in 1..=128 {
        set_signal_action(number, libc::SIG_DFL);
    }
    // SAFETY: an empty set is made and read within its life.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, null_mut());
    }
}
