//! The supervisor itself: starts the container and its first process, or one more process, waits, and at the end has the
//! container taken down unless its client does so.

use super::cgroup::Events;
use super::log::Log;
use super::members::{hold_member, members};
use super::process::{Exit, Process};
use super::start::{Started, end_init, start_init, start_payload};
use super::sys::{
    check, close_on_exec_from, close_range, duplicate_to, open, release_code, set_not_dumpable, set_signal_action,
};
use crate::failure::{At, Failure, Outcome};
use crate::spec::{Command, Event, Mode, Run, Spec};
use crate::wire;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

/// First descriptor of those that are only to be kept open for the container's life.
const HELD: RawFd = 4;

/// How long the cgroup may take to notice the end of its last process, which was seen already.
const SETTLING: Duration = Duration::from_millis(200);

/// What has lasted for this long will be a long wait.
const QUIET: Duration = Duration::from_millis(100);

/// Does all of it. `held` descriptors follow the client's socket. The returned failure has been reported to the client.
pub fn supervise(client: OwnedFd, held: RawFd) -> Outcome<()> {
    prepare(held)?;
    let mut client = Client { socket: Some(client), released: false };
    let result = client.spec().and_then(|spec| match (spec.mode, &spec.run) {
        (Mode::Run, Some(run)) => supervise_run(&mut client, &spec, run),
        (Mode::Exec, None) => supervise_exec(&mut client, &spec),
        _ => Err(Failure::refusal("spec", "mode", "run is for mode run, and needed there")),
    });
    if let Err(failure) = &result {
        client.send(&Event::Failed(failure.clone()), None);
    }
    result
}

/// Keeps away from the terminal and the descriptors of whoever started klee.
fn prepare(held: RawFd) -> Outcome<()> {
    // The addon executes it by descriptor, whose number would else be its name.
    // SAFETY: the name is a C string of less than 16 bytes.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"klee-supervisor".as_ptr()) };
    for number in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGPIPE] {
        set_signal_action(number, libc::SIG_IGN);
    }
    // Inherited by each child up to its exec: nobody in the container can look into one that is still privileged.
    set_not_dumpable().at("prctl", "PR_SET_DUMPABLE")?;
    close_range(HELD + held, libc::c_int::MAX).at("close_range", "")?;
    close_on_exec_from(3).at("close_range", "")?;
    std::env::set_current_dir("/").at("chdir", "/")
}

fn supervise_run(client: &mut Client, spec: &Spec, run: &Run) -> Outcome<()> {
    let identity = fs::metadata(&spec.cgroup).at("stat", &spec.cgroup)?.ino();
    let events = payload_events(spec)?;
    let init = start_init(run, &spec.cgroup)?;
    let started = start_first(client, spec, &init).inspect_err(|_| end_init(&init))?;
    let mut watch = Watch::new(client, spec, &events, &started.process);
    watch.init = Some(&init);
    // Without it the container runs on, and its log grows.
    watch.log = run.log.as_deref().and_then(|path| Log::open(path).ok());
    loop {
        let populated = watch.next().at("poll", &spec.container)?;
        let over = watch.init.is_none() || (watch.exit.is_some() && !populated && !run.persist);
        if let Some(exit) = watch.exit.filter(|_| watch.first.is_some()) {
            watch.first = None;
            if over && watch.init.take().is_some() {
                // Before the client hears of it: it finds the cgroup empty then, and need not wait.
                end_init(&init);
            }
            watch.client.send(&exited(exit, over), None);
        }
        if over && watch.first.is_none() {
            break;
        }
    }
    if watch.init.is_some() {
        end_init(&init);
    }
    client.wait_gone();
    take_down(run, &spec.cgroup, identity, client.released)
}

fn supervise_exec(client: &mut Client, spec: &Spec) -> Outcome<()> {
    let events = payload_events(spec)?;
    let init = find_init(&spec.cgroup)?;
    let started = start_first(client, spec, &init)?;
    let mut watch = Watch::new(client, spec, &events, &started.process);
    loop {
        let populated = watch.next().at("poll", &spec.container)?;
        if let Some(exit) = watch.exit {
            watch.client.send(&exited(exit, !populated), None);
            return Ok(());
        }
    }
}

fn payload_events(spec: &Spec) -> Outcome<Events> {
    let path = payload_path(spec);
    Events::open(&path).at("open cgroup.events", path)
}

fn payload_path(spec: &Spec) -> String {
    format!("{}/payload", spec.cgroup)
}

/// After the end of a process: waits until its cgroup has noticed, if it was the last one.
fn settle(events: &Events, cgroup: &str) -> io::Result<()> {
    if events.populated()? && members(cgroup).is_ok_and(|pids| pids.is_empty()) {
        events.wait_empty(Instant::now() + SETTLING)?;
    }
    Ok(())
}

fn exited(Exit { code, signal }: Exit, jail_empty: bool) -> Event {
    Event::Exited { code, signal, jail_empty }
}

/// pid 1 is alone in its cgroup.
fn find_init(cgroup: &str) -> Outcome<Process> {
    let path = format!("{cgroup}/init");
    let pids = members(&path).at("read cgroup.procs", &path)?;
    let init = pids.first().map_or(Ok(None), |pid| hold_member(&path, *pid)).at("pidfd_open", &path)?;
    init.ok_or_else(|| Failure::refusal("pid 1", path, "the container is not running"))
}

/// Starts the process and says so; the supervisor keeps nothing of its stdio.
fn start_first(client: &mut Client, spec: &Spec, init: &Process) -> Outcome<Started> {
    let null = open("/dev/null", libc::O_RDWR).at("open", "/dev/null")?;
    let mut started = start_payload(init, &spec.process, &spec.cgroup)?;
    for standard in 0..=2 {
        duplicate_to(null.as_fd(), standard).at("dup2", "/dev/null")?;
    }
    client.send(&Event::Started { pid: started.process.pid }, started.master.as_ref().map(AsFd::as_fd));
    started.master = None;
    Ok(started)
}

/// All that a supervisor waits for.
struct Watch<'a> {
    client: &'a mut Client,
    events: &'a Events,
    cgroup: String,
    /// Where the supervisor still has to go, and since when.
    cgroup_root: Option<&'a str>,
    since: Instant,
    /// None once it has ended, or when it is another supervisor's.
    init: Option<&'a Process>,
    /// None once its end was told.
    first: Option<&'a Process>,
    exit: Option<Exit>,
    log: Option<Log>,
}

impl<'a> Watch<'a> {
    fn new(client: &'a mut Client, spec: &'a Spec, events: &'a Events, first: &'a Process) -> Self {
        let cgroup_root = Some(spec.cgroup_root.as_str());
        Self {
            client,
            events,
            cgroup: payload_path(spec),
            cgroup_root,
            since: Instant::now(),
            init: None,
            first: Some(first),
            exit: None,
            log: None,
        }
    }

    /// For a long wait: leaves the cgroup of whoever started klee, whose limits and end are not the container's, and gives
    /// memory back. Not for a short command, since moving between cgroups waits for the whole kernel.
    fn settle_down(&mut self) {
        if let Some(root) = self.cgroup_root.take() {
            // Best effort: cgroups may be delegated, and the root out of reach.
            let _ = fs::write(format!("{root}/cgroup.procs"), "0");
        }
        release_code();
    }

    /// Waits for the next thing to happen and takes it in. Returns whether a process is left in the container.
    fn next(&mut self) -> io::Result<bool> {
        let running = self.first.filter(|_| self.exit.is_none());
        let descriptor = |process: Option<&Process>| process.map_or(-1, |process| process.as_fd().as_raw_fd());
        // poll(2) passes over a negative descriptor.
        let mut polled = [
            libc::pollfd { fd: descriptor(running), events: libc::POLLIN, revents: 0 },
            libc::pollfd { fd: descriptor(self.init), events: libc::POLLIN, revents: 0 },
            libc::pollfd { fd: self.events.as_fd().as_raw_fd(), events: libc::POLLPRI, revents: 0 },
            libc::pollfd { fd: self.client.descriptor(), events: libc::POLLIN, revents: 0 },
            libc::pollfd { fd: self.log.as_ref().map_or(-1, Log::descriptor), events: libc::POLLIN, revents: 0 },
        ];
        let log_timeout = self.log.as_ref().map_or(-1, Log::timeout);
        let timeout = match (self.cgroup_root.is_some(), log_timeout) {
            (true, -1) => QUIET.as_millis() as libc::c_int,
            (true, rest) => rest.min(QUIET.as_millis() as libc::c_int),
            (false, rest) => rest,
        };
        // SAFETY: pointer and length are of one live array.
        match check(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout) }.into()) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        };
        if self.cgroup_root.is_some() && self.since.elapsed() >= QUIET {
            self.settle_down();
        }
        let [first, init, _, client, written] = polled.map(|poll| poll.revents != 0);
        if let Some(log) = &mut self.log {
            log.keep(written);
        }
        if client {
            self.client.serve(running);
        }
        if let Some(process) = running.filter(|_| first) {
            self.exit = Some(process.wait()?);
            settle(self.events, &self.cgroup)?;
        }
        if let Some(process) = self.init.filter(|_| init) {
            process.wait()?;
            self.init = None;
        }
        self.events.populated()
    }
}

/// The klee that asked for this container or process. It may be gone at any time, which changes nothing for them.
struct Client {
    socket: Option<OwnedFd>,
    /// It said that it was about to go.
    released: bool,
}

impl Client {
    fn spec(&self) -> Outcome<Spec> {
        let gone = || Failure::refusal("spec", "", "the client is gone");
        let socket = self.socket.as_ref().ok_or_else(gone)?;
        let (json, _) = wire::receive(socket.as_fd()).at("recvmsg", "spec")?.ok_or_else(gone)?;
        serde_json::from_slice(&json).map_err(|error| Failure::refusal("spec", "", &error.to_string()))
    }

    fn descriptor(&self) -> RawFd {
        self.socket.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// A client that cannot be told hears the end of the connection instead: it waits for the one or the other. What it
    /// said before is still to be heard.
    fn send(&self, event: &Event, attached: Option<BorrowedFd<'_>>) {
        let (Some(socket), Ok(json)) = (&self.socket, serde_json::to_vec(event)) else { return };
        if wire::send(socket.as_fd(), &json, attached).is_err() {
            // SAFETY: no pointers. It fails only when the connection has ended already.
            unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_WR) };
        }
    }

    /// Carries one command out, or notes the end of the client.
    fn serve(&mut self, process: Option<&Process>) {
        let message = self.socket.as_ref().map(|socket| wire::receive(socket.as_fd()));
        let Some(Ok(Some((json, _)))) = message else {
            self.socket = None;
            return;
        };
        match (serde_json::from_slice(&json), process) {
            (Ok(Command::Signal { number }), Some(process)) => {
                let _ = process.signal_as_terminal(number);
            }
            (Ok(Command::Release), _) => self.released = true,
            _ => {}
        }
    }

    fn wait_gone(&mut self) {
        while self.socket.is_some() {
            self.serve(None);
        }
    }
}

/// An attached client has taken the container down before it left. If not, or if it died over it, becomes the program
/// that does.
fn take_down(run: &Run, cgroup: &str, identity: u64, released: bool) -> Outcome<()> {
    let lock = open(&run.lock, libc::O_RDWR).at("open", &run.lock)?;
    loop {
        // SAFETY: no pointers.
        match check(unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) }.into()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => {
                result.at("flock", &run.lock)?;
                break;
            }
        }
    }
    match fs::metadata(cgroup).map(|metadata| metadata.ino()) {
        Ok(found) if found == identity => {}
        // The container was started anew meanwhile: that is another directory of the same name.
        Ok(_) => return Ok(()),
        // Whoever removed the directory is doing the rest, too, unless it was the client, and it was killed.
        Err(_) if released => return Ok(()),
        Err(_) => {}
    }
    let Some((program, arguments)) = run.teardown.split_first() else { return Ok(()) };
    // The lock is close-on-exec: the teardown takes it itself.
    let error = std::process::Command::new(program).args(arguments).exec();
    Err(error).at("execve", program)
}
