//! The supervisor itself: starts the container and its first process, or one more process, waits, and at the end has the
//! container taken down unless its client does so.

use super::cgroup::Events;
use super::layer::Layer;
use super::members::{hold_member, members};
use super::payload::Limits;
use super::process::{Exit, Process};
use super::start::{Started, Waiting, await_init, begin_init, end_process};
use super::sys::{close_on_exec_from, close_range, release_code, set_not_dumpable};
use crate::common::client::Client;
use crate::common::console::Console;
use crate::common::hangup::HangUp;
use crate::common::log::Log;
use crate::common::outputs::Outputs;
use crate::common::record::Record;
use crate::common::sys::{check, duplicate_to, open, set_signal_action};
use crate::common::takedown;
use crate::failure::{At, Failure, Outcome};
use crate::spec::{Event, Jail, Linux, Mode, Run, Spec};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// How long the cgroup may take to notice the end of its last process, which was seen already.
const SETTLING: Duration = Duration::from_millis(200);

/// Where the outputs stand among what is waited for.
const OUTPUTS: usize = 4;

/// What has lasted for this long will be a long wait.
const QUIET: Duration = Duration::from_millis(100);

/// Does all of it. `outputs` are the reading ends of what the process writes; the descriptors from `end` on are nobody's,
/// others are only to be kept open for the container's life. The returned failure has been reported to the client.
pub fn supervise(client: OwnedFd, outputs: Option<[RawFd; 2]>, end: RawFd) -> Outcome<()> {
    prepare(end)?;
    let mut client = Client::new(client);
    let result = client.spec().and_then(|spec| {
        let host = spec.linux.as_ref().ok_or_else(|| Failure::refusal("spec", "linux", "it is needed on this host"))?;
        // SAFETY: they were opened for this program, and nothing else here knows of them.
        let outputs = unsafe { Outputs::take(outputs, spec.process.shown) };
        match (spec.mode, &spec.run, &host.jail) {
            (Mode::Run, Some(run), Some(jail)) => supervise_run(&mut client, &spec, host, run, jail, outputs),
            (Mode::Exec, None, None) => supervise_exec(&mut client, &spec, host, outputs),
            _ => Err(Failure::refusal("spec", "mode", "run and jail are for mode run, and needed there")),
        }
    });
    if let Err(failure) = &result {
        client.send(&Event::Failed(failure.clone()), None);
    }
    result
}

/// Keeps away from the terminal and the descriptors of whoever started klee.
fn prepare(end: RawFd) -> Outcome<()> {
    // The addon executes it by descriptor, whose number would else be its name.
    // SAFETY: the name is a C string of less than 16 bytes.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"klee-supervisor".as_ptr()) };
    for number in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGPIPE] {
        set_signal_action(number, libc::SIG_IGN);
    }
    // Inherited by each child up to its exec: nobody in the container can look into one that is still privileged.
    set_not_dumpable().at("prctl", "PR_SET_DUMPABLE")?;
    close_range(end, libc::c_int::MAX).at("close_range", "")?;
    close_on_exec_from(3).at("close_range", "")?;
    std::env::set_current_dir("/").at("chdir", "/")
}

fn supervise_run(
    client: &mut Client,
    spec: &Spec,
    host: &Linux,
    run: &Run,
    jail: &Jail,
    outputs: Outputs,
) -> Outcome<()> {
    let identity = fs::metadata(&host.cgroup).at("stat", &host.cgroup)?.ino();
    let events = payload_events(host)?;
    let mut record = Record::open(&run.record)?;
    let mut layer = Layer::claim(&jail.root)?;
    let (init, channel) = begin_init(jail, &host.cgroup)?;
    // Beside pid 1, which takes longer.
    let first = First::begin(spec, host, &init);
    let first = match (await_init(&channel, &mut layer, &host.cgroup), first) {
        (Ok(()), Ok(first)) => first,
        // An end of pid 1 fails the other one, too: its own words say why.
        (Err(failure), Ok(first)) => {
            first.waiting.end();
            end_process(&init);
            return Err(failure);
        }
        (Err(failure), Err(_)) | (Ok(()), Err(failure)) => {
            end_process(&init);
            return Err(failure);
        }
    };
    drop(channel);
    let (first, console) = match first.start(client, spec, Some(&mut record)) {
        Ok(started) => started,
        Err(failure) => {
            end_process(&init);
            drop(layer);
            return takedown::after_failure(client, run, failure);
        }
    };
    let mut record = Some(record);
    let mut watch = Watch::new(client, host, &events, &first, console, outputs);
    watch.init = Some(&init);
    watch.log = Some(Log::new(&run.log));
    loop {
        let populated = watch.next().at("poll", &spec.container)?;
        let over = watch.init.is_none() || (watch.exit.is_some() && !populated && !run.persist);
        if let Some(exit) = watch.exit.filter(|_| watch.first.is_some()) {
            watch.first = None;
            if let Some(record) = record.take() {
                record.end(exit.code, exit.signal);
            }
            if over && watch.init.take().is_some() {
                // Before the client hears of it: it finds the cgroup empty then, and need not wait.
                end_process(&init);
            }
            watch.client.send(&exited(exit, over), None);
        }
        if over && watch.first.is_none() {
            break;
        }
    }
    if watch.init.is_some() {
        end_process(&init);
    }
    watch.flush();
    let Watch { mut log, mut outputs, .. } = watch;
    drop(layer);
    let heard = client.is_there();
    // One that died leaves some of what it was to show. One that is slow takes it yet.
    let is_there = !client.wait_gone();
    outputs.drain(is_there, log.as_mut());
    drop((outputs, log));
    let cut_off = heard && !client.took_down;
    takedown::take_down(run, || match fs::metadata(&host.cgroup).map(|metadata| metadata.ino()) {
        // The container was started anew meanwhile: that is another directory of the same name.
        Ok(found) => found == identity,
        // Whoever removed the directory is doing the rest, too, unless it was the client, and it was killed meanwhile.
        Err(_) => cut_off,
    })
}

fn supervise_exec(client: &mut Client, spec: &Spec, host: &Linux, outputs: Outputs) -> Outcome<()> {
    let events = payload_events(host)?;
    let init = find_init(host)?;
    let (first, console) = First::begin(spec, host, &init)?.start(client, spec, None)?;
    let mut watch = Watch::new(client, host, &events, &first, console, outputs);
    let mut told = false;
    // Those that it leaves behind may go on writing, if to nobody: the end of the command is not to end them.
    while !told || watch.outputs.are_open() {
        let populated = watch.next().at("poll", &spec.container)?;
        watch.hang_up.look(watch.client, watch.console.as_mut(), || {
            let _ = first.signal(libc::SIGKILL);
        });
        if let Some(exit) = watch.exit.filter(|_| !told) {
            watch.client.send(&exited(exit, !populated), None);
            watch.flush();
            told = true;
        }
    }
    Ok(())
}

fn payload_events(host: &Linux) -> Outcome<Events> {
    let path = payload_path(host);
    Events::open(&path).at("open cgroup.events", path)
}

fn payload_path(host: &Linux) -> String {
    format!("{}/payload", host.cgroup)
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

/// pid 1 of the run that is meant, alone in its cgroup.
fn find_init(host: &Linux) -> Outcome<Process> {
    let path = format!("{}/init", host.cgroup);
    let pids = members(&path).at("read cgroup.procs", &path)?;
    let init = pids.first().map_or(Ok(None), |pid| hold_member(&path, *pid)).at("pidfd_open", &path)?;
    // Asked for once pid 1 is held.
    let found = fs::metadata(&host.cgroup).map(|metadata| metadata.ino().to_string());
    let meant = host.cgroup_id.as_ref().is_none_or(|id| found.is_ok_and(|found| found == *id));
    init.filter(|_| meant).ok_or_else(|| Failure::refusal("pid 1", path, "the container is not running"))
}

/// The process that a client asked for, before its program runs.
struct First {
    waiting: Waiting,
    null: OwnedFd,
    input: Option<OwnedFd>,
}

impl First {
    fn begin(spec: &Spec, host: &Linux, init: &Process) -> Outcome<Self> {
        let null = open("/dev/null", libc::O_RDWR).at("open", "/dev/null")?;
        let limits = Limits { raw_sockets: host.raw_sockets, network: host.network, groups: &host.groups };
        let input = Console::open_input(spec)?;
        let waiting = Waiting::begin(init, &spec.process, limits, &host.cgroup)?;
        Ok(Self { waiting, null, input })
    }

    /// Has it execute its program and says so; of its stdio the supervisor keeps its console alone.
    fn start(
        self,
        client: &mut Client,
        spec: &Spec,
        record: Option<&mut Record>,
    ) -> Outcome<(Process, Option<Console>)> {
        let Self { waiting, null, input } = self;
        let Started { process, master } = waiting.go_on(client)?;
        let settled = (0..=2)
            .try_for_each(|standard| duplicate_to(null.as_fd(), standard).at("dup2", "/dev/null"))
            .and_then(|()| record.map_or(Ok(()), |record| record.begin(process.pid)))
            .and_then(|()| Console::open(spec, master, input));
        let (console, stream) = settled.inspect_err(|_| end_process(&process))?;
        client.send(&Event::Started { pid: process.pid }, stream.as_ref().map(AsFd::as_fd));
        Ok((process, console))
    }
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
    console: Option<Console>,
    hang_up: HangUp,
    outputs: Outputs,
}

impl<'a> Watch<'a> {
    fn new(
        client: &'a mut Client,
        host: &'a Linux,
        events: &'a Events,
        first: &'a Process,
        console: Option<Console>,
        outputs: Outputs,
    ) -> Self {
        let cgroup_root = Some(host.cgroup_root.as_str());
        Self {
            client,
            events,
            cgroup: payload_path(host),
            cgroup_root,
            since: Instant::now(),
            init: None,
            first: Some(first),
            exit: None,
            log: None,
            console,
            hang_up: HangUp::default(),
            outputs,
        }
    }

    /// After the end of the process.
    fn flush(&mut self) {
        if let Some(console) = &mut self.console {
            console.flush();
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
        let mut polled = vec![
            libc::pollfd { fd: descriptor(running), events: libc::POLLIN, revents: 0 },
            libc::pollfd { fd: descriptor(self.init), events: libc::POLLIN, revents: 0 },
            libc::pollfd { fd: self.events.as_fd().as_raw_fd(), events: libc::POLLPRI, revents: 0 },
            libc::pollfd { fd: self.client.descriptor(), events: libc::POLLIN, revents: 0 },
        ];
        polled.extend(self.outputs.polled(self.client.is_there()));
        let own = polled.len();
        polled.extend(self.console.as_ref().map(Console::polled).into_iter().flatten());
        let quiet = self.cgroup_root.map(|_| QUIET.as_millis() as u64);
        let timeout = quiet.into_iter().chain(self.hang_up.timeout()).min();
        let timeout = timeout.map_or(-1, |timeout| timeout as libc::c_int);
        // SAFETY: pointer and length are of one live array.
        match check(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout) }.into()) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        };
        if self.cgroup_root.is_some() && self.since.elapsed() >= QUIET {
            self.settle_down();
        }
        let ready = |index: usize| polled[index].revents != 0;
        let (first, init, client) = (ready(0), ready(1), ready(3));
        self.outputs.serve(&polled[OUTPUTS..own], self.log.as_mut());
        if let Some(console) = &mut self.console {
            console.serve(&polled[own..], self.log.as_mut());
        }
        if client {
            let signal = running.map(|process| {
                move |number| {
                    let _ = process.signal_as_terminal(number);
                }
            });
            self.client.serve(signal.as_ref().map(|signal| signal as &dyn Fn(i32)));
            self.outputs.close(self.client.unread);
        }
        if let Some(process) = running.filter(|_| first) {
            self.exit = Some(process.wait()?);
            if let Some(console) = &mut self.console {
                console.end(self.log.as_mut());
            }
            self.outputs.drain(self.client.is_there(), self.log.as_mut());
            settle(self.events, &self.cgroup)?;
        }
        if let Some(process) = self.init.filter(|_| init) {
            process.wait()?;
            self.init = None;
        }
        self.events.populated()
    }
}
