//! Starting processes of a container.

use super::init::run_init;
use super::layer::Layer;
use super::payload::{Limits, become_payload};
use super::process::Process;
use crate::common::client::Client;
use crate::common::report::{Report, await_program, next_report, send};
use crate::common::sys::{open, socket_pair};
use crate::failure::{At, Failure, Outcome};
use crate::spec::{Jail, Process as Command};
use std::os::fd::{AsFd, OwnedFd};

/// Starts pid 1 of a new container in the cgroup. On the channel it will tell of its root file system.
pub fn begin_init(jail: &Jail, cgroup: &str) -> Outcome<(Process, OwnedFd)> {
    let path = format!("{cgroup}/init");
    let directory = open(&path, libc::O_PATH | libc::O_DIRECTORY).at("open cgroup", &path)?;
    let (ours, theirs) = socket_pair().at("socketpair", "")?;
    let namespaces = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    let Some(init) = Process::fork(namespaces, directory.as_fd()).at("clone3", &path)? else {
        run_init(jail, theirs);
    };
    Ok((init, ours))
}

/// Waits until the root file system is ready, which the layer holds from then on.
pub fn await_init(channel: &OwnedFd, layer: &mut Layer, cgroup: &str) -> Outcome<()> {
    match next_report(channel)? {
        Some((Report::Ready, root)) => {
            layer.hold(root);
            Ok(())
        }
        Some((Report::Failed(failure), _)) => Err(failure),
        _ => Err(Failure::refusal("pid 1", format!("{cgroup}/init"), "ended before the container was ready")),
    }
}

/// Kills a child and reaps it. Of pid 1, that ends all processes of its namespace, and it waits for them to be reaped:
/// the payload, which is this process's child as well, must have been ended first.
pub fn end_process(process: &Process) {
    if process.signal(libc::SIGKILL).is_err() {
        // Waiting for one that lives would be for ever.
        // SAFETY: no pointers. It is not reaped yet, so its pid is its own.
        unsafe { libc::kill(process.pid, libc::SIGKILL) };
    }
    // It fails only when it was reaped already.
    let _ = process.wait();
}

/// A started payload.
pub struct Started {
    pub process: Process,
    /// Master side of its terminal, when it has one.
    pub master: Option<OwnedFd>,
}

/// A payload that has done all it can before the container is ready, and waits for that.
pub struct Waiting {
    process: Process,
    channel: OwnedFd,
}

impl Waiting {
    /// Starts the process in the container of this pid 1.
    pub fn begin(init: &Process, command: &Command, limits: Limits<'_>, cgroup: &str) -> Outcome<Self> {
        let path = format!("{cgroup}/payload");
        let directory = open(&path, libc::O_PATH | libc::O_DIRECTORY).at("open cgroup", &path)?;
        let (ours, theirs) = socket_pair().at("socketpair", "")?;
        // A process enters a pid namespace by birth only. The supervisor must be back in its own before it executes the
        // teardown: a program cannot have threads while its children would land elsewhere.
        // SAFETY: no arguments.
        let own = Process::open(unsafe { libc::getpid() }).at("pidfd_open", "self")?;
        init.enter(libc::CLONE_NEWPID).at("setns", "pid 1")?;
        let child = Process::fork(0, directory.as_fd());
        if let Ok(None) = child {
            // The child hears of the supervisor's end by the end of the channel.
            drop(ours);
            become_payload(init, command, limits, theirs);
        }
        let back = own.enter(libc::CLONE_NEWPID).at("setns", "self");
        drop(theirs);
        let Some(process) = child.at("clone3", &path)? else { unreachable!("the child never returns") };
        let waiting = Self { process, channel: ours };
        match back {
            Ok(()) => Ok(waiting),
            Err(failure) => {
                waiting.end();
                Err(failure)
            }
        }
    }

    pub fn end(self) {
        end_process(&self.process);
    }

    /// To be called when the container is ready: waits until the process has executed its program.
    pub fn go_on(self, client: &mut Client) -> Outcome<Started> {
        match send(&self.channel, &Report::Ready, None).and_then(|()| await_program(&self.channel, client)) {
            Ok(master) => Ok(Started { process: self.process, master }),
            Err(failure) => {
                self.end();
                Err(failure)
            }
        }
    }
}
