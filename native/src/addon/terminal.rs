//! Settings of terminals, termios(3).

use std::io::{self, Error};
use std::os::fd::RawFd;
use std::sync::{Mutex, Once};

/// Settings to give back, should the process exit in the midst of a relay.
static SAVED: Mutex<Option<(RawFd, libc::termios)>> = Mutex::new(None);
static AT_EXIT: Once = Once::new();

/// Raw mode for as long as this lives.
pub struct RawMode;

impl RawMode {
    /// None when the descriptor is no terminal.
    pub fn enter(fd: RawFd) -> Option<Self> {
        let saved = settings(fd).ok()?;
        let mut raw = saved;
        // SAFETY: raw outlives both calls; the handler takes no argument and returns nothing.
        unsafe {
            libc::cfmakeraw(&mut raw);
            AT_EXIT.call_once(|| {
                libc::atexit(restore);
            });
            *SAVED.lock().ok()? = Some((fd, saved));
            // Not drained first: a terminal that the user has stopped would stop us, too.
            libc::tcsetattr(fd, libc::TCSANOW, &raw);
        }
        Some(Self)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

extern "C" fn restore() {
    // At exit the thread that holds the lock may be gone for good.
    if let Some((fd, saved)) = SAVED.try_lock().ok().and_then(|mut saved| saved.take()) {
        // SAFETY: saved outlives the call.
        unsafe { libc::tcsetattr(fd, libc::TCSANOW, &saved) };
    }
}

/// Is it a terminal, though one that was hung up? Its calls fail with EIO on Linux (tty_io.c, hung_up_tty_ioctl), with
/// ENXIO on FreeBSD (tty.c, ttydev_enter).
pub fn is_terminal(fd: RawFd) -> bool {
    settings(fd).map_or_else(|error| matches!(error.raw_os_error(), Some(libc::EIO | libc::ENXIO)), |_| true)
}

/// The terminal's settings; asked of a master, those of its slave.
pub fn settings(fd: RawFd) -> io::Result<libc::termios> {
    // SAFETY: the kernel fills settings, which outlives the call; zero is a valid start.
    unsafe {
        let mut settings = std::mem::zeroed();
        if libc::tcgetattr(fd, &mut settings) == -1 { Err(Error::last_os_error()) } else { Ok(settings) }
    }
}

/// Sets the size, TIOCSWINSZ; the terminal's foreground processes get SIGWINCH.
pub fn set_window_size(fd: RawFd, rows: u16, columns: u16) -> io::Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: size outlives the call.
    if unsafe { libc::ioctl(fd, libc::TIOCSWINSZ, &size) } == -1 { Err(Error::last_os_error()) } else { Ok(()) }
}
