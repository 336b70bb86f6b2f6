//! Starts the supervisor's program by posix_spawn(3): Node itself is never forked.

use super::executable::Executable;
use super::sys::{FREE, Failed, check, duplicate_above, text};
use std::ffi::{CString, c_char, c_int};
use std::io::{self, Error};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::null_mut;

/// FreeBSD has no such flag: there the supervisor itself begins its session.
#[cfg(target_os = "linux")]
const SESSION: c_int = libc::POSIX_SPAWN_SETSID as c_int;
#[cfg(not(target_os = "linux"))]
const SESSION: c_int = 0;

/// What to start, and with which descriptors.
pub struct Program<'a> {
    pub executable: &'a Executable,
    /// After the program's name.
    pub arguments: &'a [&'a str],
    /// stdin, stdout, stderr; None: /dev/null.
    pub stdio: [Option<RawFd>; 3],
    /// They get the numbers from 3 on.
    pub others: &'a [RawFd],
}

/// Starts the program and returns its pid.
pub fn spawn(program: &Program<'_>) -> Result<libc::pid_t, Failed> {
    let at = |step: &'static str| move |error: Error| (step, error);
    let null = open_null().map_err(at("open /dev/null"))?;
    let mut copies = Vec::new();
    // Copied above their final numbers before they get these, so that none overwrites a later source.
    let above = FREE + program.others.len() as RawFd;
    for fd in program.stdio {
        copies.push(duplicate_above(above, fd.unwrap_or(null.as_raw_fd())).map_err(at("fcntl F_DUPFD_CLOEXEC"))?);
    }
    for fd in program.others {
        copies.push(duplicate_above(above, *fd).map_err(at("fcntl F_DUPFD_CLOEXEC"))?);
    }
    let mut actions = FileActions::new().map_err(at("posix_spawn"))?;
    for (target, copy) in copies.iter().enumerate() {
        actions.duplicate(copy.as_raw_fd(), target as RawFd).map_err(at("posix_spawn"))?;
    }
    let arguments = [&["klee-supervisor"], program.arguments].concat();
    execute(program.executable.path(), &arguments, &actions).map_err(at("posix_spawn"))
}

fn open_null() -> io::Result<OwnedFd> {
    // SAFETY: the path is a C string; the descriptor that it returns is ours alone.
    unsafe {
        Ok(OwnedFd::from_raw_fd(
            check(libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC).into())? as RawFd
        ))
    }
}

struct FileActions(libc::posix_spawn_file_actions_t);

impl FileActions {
    fn new() -> io::Result<Self> {
        // SAFETY: init makes any content valid.
        unsafe {
            let mut actions = std::mem::zeroed();
            posix(libc::posix_spawn_file_actions_init(&mut actions)).map(|()| Self(actions))
        }
    }

    fn duplicate(&mut self, from: RawFd, to: RawFd) -> io::Result<()> {
        // SAFETY: the actions are initialised.
        posix(unsafe { libc::posix_spawn_file_actions_adddup2(&mut self.0, from, to) })
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: the actions are initialised and not used again.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

fn execute(path: &str, arguments: &[&str], actions: &FileActions) -> io::Result<libc::pid_t> {
    let path = text(path)?;
    let arguments = arguments.iter().map(|argument| text(argument)).collect::<io::Result<Vec<_>>>()?;
    let variables = environment()?;
    let pointers = |strings: &[CString]| -> Vec<*mut c_char> {
        strings.iter().map(|string| string.as_ptr().cast_mut()).chain([null_mut()]).collect()
    };
    let mut pid = 0;
    // SAFETY: all strings and both arrays outlive the call, the arrays end with null, and the attributes are initialised
    // before and destroyed after it.
    unsafe {
        let mut attributes = std::mem::zeroed();
        posix(libc::posix_spawnattr_init(&mut attributes))?;
        let mut signals = std::mem::zeroed();
        libc::sigemptyset(&mut signals);
        libc::posix_spawnattr_setsigmask(&mut attributes, &signals);
        libc::sigfillset(&mut signals);
        libc::posix_spawnattr_setsigdefault(&mut attributes, &signals);
        let flags = SESSION | libc::POSIX_SPAWN_SETSIGMASK as c_int | libc::POSIX_SPAWN_SETSIGDEF as c_int;
        libc::posix_spawnattr_setflags(&mut attributes, flags as libc::c_short);
        let (argv, envp) = (pointers(&arguments), pointers(&variables));
        let result = libc::posix_spawn(&mut pid, path.as_ptr(), &actions.0, &attributes, argv.as_ptr(), envp.as_ptr());
        libc::posix_spawnattr_destroy(&mut attributes);
        posix(result)?;
    }
    Ok(pid)
}

/// Nothing of klee's environment but its own settings, for the teardown.
fn environment() -> io::Result<Vec<CString>> {
    let path = ("PATH".to_string(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_string());
    let own =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let own = own.filter(|(name, _)| name.starts_with("KLEE_"));
    [path].into_iter().chain(own).map(|(name, value)| text(&format!("{name}={value}"))).collect()
}

/// posix_spawn and its relatives return the error.
fn posix(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(Error::from_raw_os_error(result)) }
}
