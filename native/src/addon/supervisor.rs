//! A running supervisor: a socket to write to, and a thread that passes on what it says.

use super::executable::Executable;
use super::spawn::{Program, spawn};
use super::streams::{Copies, Pipes};
use super::sys::Failed;
use crate::wire;
use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Error, Result, Status};
use napi_derive::napi;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::thread;

/// A message, and the descriptor that came with it, which is the receiver's from then on. No message: the end.
type Heard = (Option<String>, Option<i32>);
type Listener = ThreadsafeFunction<Heard, (), FnArgs<Heard>, Status, false>;

#[napi]
pub struct Supervisor {
    socket: Option<UnixStream>,
}

/// Starts the supervisor `path` and sends it `spec`. `stdio` has the three descriptors that the process's own streams are
/// copied from and to, -1 for none, -2 for an output that is dropped; it is empty for a process with a terminal. Node stays alive until the listener has heard
/// the end. A failure to start is heard as a message, too, and so is, after the end of the process, that all is copied.
#[napi]
pub fn start_supervisor(
    path: String,
    container: String,
    spec: String,
    stdio: Vec<i32>,
    held: Vec<i32>,
    listener: Function<FnArgs<Heard>, ()>,
) -> Result<Supervisor> {
    let listener: Listener =
        listener.build_threadsafe_function::<Heard>().build_callback(|heard| Ok(heard.value.into()))?;
    let ours = match stdio[..] {
        [stdin, stdout, stderr] => Some([stdin, stdout, stderr]),
        [] => None,
        _ => return Err(Error::new(Status::InvalidArg, "three descriptors make the stdio, or none")),
    };
    let listener = Arc::new(listener);
    // Before there is anything to listen to: where the system has no thread left nothing has begun.
    let (give, given) = mpsc::channel();
    let listening = Arc::clone(&listener);
    let waiting = thread::Builder::new().spawn(move || {
        let Ok(Started { reader, pid, executable, copies }) = given.recv() else { return };
        // Here, since the end of its mount takes 0.1 ms, in which Node and the supervisor can both go on.
        drop(executable);
        listen(reader, pid, listening, copies);
    });
    let started = waiting.map_err(|error| ("pthread_create", error));
    match started.and_then(|_| start(&path, &container, &spec, ours, &held)) {
        Ok((socket, started)) => {
            // The thread waits for it.
            let _ = give.send(started);
            Ok(Supervisor { socket: Some(socket) })
        }
        Err((step, error)) => {
            let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
            let message = format!(r#"{{"event":"failed","step":"{step}","errno":{errno}}}"#);
            listener.call((Some(message), None), ThreadsafeFunctionCallMode::NonBlocking);
            Ok(Supervisor { socket: None })
        }
    }
}

/// In place of a descriptor: the process gets a null device for its output.
const DROPPED: RawFd = -2;

struct Started {
    reader: UnixStream,
    pid: libc::pid_t,
    executable: Executable,
    copies: Option<Copies>,
}

fn start(
    path: &str,
    container: &str,
    spec: &str,
    ours: Option<[RawFd; 3]>,
    held: &[i32],
) -> std::result::Result<(UnixStream, Started), Failed> {
    let (socket, theirs) = UnixStream::pair().map_err(|error| ("socketpair", error))?;
    let reader = socket.try_clone().map_err(|error| ("fcntl F_DUPFD_CLOEXEC", error))?;
    let theirs = OwnedFd::from(theirs);
    let open = |ours: [RawFd; 3]| Pipes::open(ours.map(|fd| (fd >= 0).then_some(fd)), ours.map(|fd| fd == DROPPED));
    let pipes = ours.map(open).transpose().map_err(|error| ("pipe2", error))?;
    let number = |fd: &OwnedFd| fd.as_raw_fd();
    let outputs: Vec<RawFd> = pipes.iter().flat_map(|pipes| &pipes.outputs).map(number).collect();
    // The supervisor finds its socket first, then the outputs and the held ones, of which it is told the numbers.
    let others = [&[theirs.as_raw_fd()], &outputs[..], held].concat();
    let executable = Executable::open(path)?;
    let arguments = [container, &outputs.len().to_string(), &held.len().to_string()];
    let stdio =
        pipes.as_ref().map_or([None; 3], |pipes| [0, 1, 2].map(|index| pipes.process[index].as_ref().map(number)));
    let pid = spawn(&Program { executable: &executable, arguments: &arguments, stdio, others: &others })?;
    drop(theirs);
    // Before it is told what to do: it ends when it finds nobody at the other side.
    let copies = pipes.map(|pipes| pipes.copy(&socket)).transpose().map_err(|error| ("pthread_create", error));
    let sent = copies.and_then(|copies| match wire::send(socket.as_fd(), spec.as_bytes(), None) {
        // One that does not read any more is heard of as ended.
        Err(error) if error.raw_os_error() != Some(libc::EPIPE) => Err(("sendmsg", error)),
        _ => Ok(copies),
    });
    match sent {
        Ok(copies) => Ok((socket, Started { reader, pid, executable, copies })),
        Err(failed) => {
            drop((socket, reader));
            reap(pid);
            Err(failed)
        }
    }
}

/// Starts the program `path` with these arguments and nothing open. Returns its pid, or a negative errno.
#[napi]
pub fn start_detached(path: String, arguments: Vec<String>) -> i32 {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let started = Executable::open(&path).and_then(|executable| {
        spawn(&Program { executable: &executable, arguments: &arguments, stdio: [None; 3], others: &[] })
    });
    match started {
        Ok(pid) => {
            // Without a thread nobody reaps it while this process lives.
            let _ = thread::Builder::new().spawn(move || reap(pid));
            pid
        }
        Err((_, error)) => -error.raw_os_error().unwrap_or(libc::EINVAL),
    }
}

/// How the message of the process's end begins, `spec::Event`.
const EXITED: &[u8] = br#"{"event":"exited""#;

fn listen(socket: UnixStream, pid: libc::pid_t, listener: Arc<Listener>, mut copies: Option<Copies>) {
    let tell = |message: Option<String>, attached: Option<OwnedFd>| {
        listener.call((message, attached.map(IntoRawFd::into_raw_fd)), ThreadsafeFunctionCallMode::NonBlocking);
    };
    while let Ok(Some((message, attached))) = wire::receive(socket.as_fd()) {
        let ended = message.starts_with(EXITED);
        tell(Some(String::from_utf8_lossy(&message).into_owned()), attached);
        if ended {
            // Told first, since the container is to be taken down however slow the reader of its output is.
            let failed = copies.take().map(Copies::finish).unwrap_or_default();
            let failed: Vec<String> = failed.iter().map(|(stream, errno)| format!("[{stream},{errno}]")).collect();
            tell(Some(format!(r#"{{"event":"copied","failed":[{}]}}"#, failed.join(","))), None);
        }
    }
    copies.map(Copies::finish);
    tell(None, None);
    // From here on nothing keeps Node alive.
    drop(listener);
    drop(socket);
    reap(pid);
}

fn reap(pid: libc::pid_t) {
    // SAFETY: the child is ours, libuv does not know it, and the status is not wanted.
    while unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) } == -1
        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
    {}
}

#[napi]
impl Supervisor {
    /// Sends a message. One that is gone does not hear it.
    #[napi]
    pub fn send(&self, message: String) {
        if let Some(socket) = &self.socket {
            let _ = wire::send(socket.as_fd(), message.as_bytes(), None);
        }
    }

    /// Ends the connection for both sides; the listener hears the end.
    #[napi]
    pub fn close(&mut self) {
        if let Some(socket) = self.socket.take() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}
