//! The supervisor itself: starts the first process of a container in its jail, or one more process, waits, and at the end
//! has the container taken down unless its client does so.

use super::jail::Jail;
use super::library::Library;
use super::notice::Notice;
use super::payload::become_payload;
use super::signal;
use crate::common::client::Client;
use crate::common::console::Console;
use crate::common::hangup::HangUp;
use crate::common::log::Log;
use crate::common::outputs::Outputs;
use crate::common::record::Record;
use crate::common::report::await_program;
use crate::common::sys::{check, duplicate_to, open, set_signal_action, socket_pair};
use crate::common::takedown;
use crate::failure::{At, Failure, Outcome};
use crate::spec::{Event, Freebsd, Mode, Run, Spec};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::ptr::null_mut;
use std::time::{Duration, Instant};

// sys/procctl.h, sys/wait.h
const P_PID: libc::c_int = 0;
const PROC_REAP_ACQUIRE: libc::c_int = 2;
/// How long the kernel may take to remove a jail whose last process has ended.
const SETTLING: Duration = Duration::from_millis(50);
/// The same on a machine that is busy, once no process runs there.
const EMPTYING: Duration = Duration::from_secs(2);
/// How often to look whether the jail is still there, where the kernel does not tell: before release 15.
const FIRST_LOOK_MS: u64 = 5;
const LAST_LOOK_MS: u64 = 500;

/// Does all of it. `outputs` are the reading ends of what the process writes; the descriptors from `end` on are nobody's,
/// others are only to be kept open for the container's life. The returned failure has been reported to the client.
pub fn supervise(client: OwnedFd, outputs: Option<[RawFd; 2]>, end: RawFd) -> Outcome<()> {
    prepare(end)?;
    let mut client = Client::new(client);
    let result = client.spec().and_then(|spec| {
        let refusal = |why| Failure::refusal("spec", "", why);
        let host = spec.freebsd.as_ref().ok_or_else(|| refusal("freebsd is needed on this host"))?;
        let library = Library::open(host.library.as_deref())?;
        // SAFETY: they were opened for this program, and nothing else here knows of them.
        let outputs = unsafe { Outputs::take(outputs, spec.process.shown) };
        match (spec.mode, &spec.run) {
            (Mode::Run, Some(run)) => supervise_run(&mut client, &spec, host, library, run, outputs),
            (Mode::Exec, None) => supervise_exec(&mut client, &spec, host, library, outputs),
            _ => Err(refusal("run is for mode run, and needed there")),
        }
    });
    if let Err(failure) = &result {
        client.send(&Event::Failed(failure.clone()), None);
    }
    result
}

/// Keeps away from the terminal and the descriptors of whoever started klee.
fn prepare(first_unneeded: RawFd) -> Outcome<()> {
    // SAFETY: no arguments. It fails only where this process leads a session already.
    unsafe { libc::setsid() };
    for number in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGPIPE] {
        set_signal_action(number, libc::SIG_IGN);
    }
    signal::hold_child_signal();
    // SAFETY: nothing in this process owns a descriptor from here on.
    check(unsafe { libc::close_range(first_unneeded as libc::c_uint, libc::c_uint::MAX, 0) }.into())
        .at("close_range", "")?;
    std::env::set_current_dir("/").at("chdir", "/")
}

fn supervise_run(
    client: &mut Client,
    spec: &Spec,
    host: &Freebsd,
    library: Library,
    run: &Run,
    outputs: Outputs,
) -> Outcome<()> {
    let jail = Jail::new(library, host.jid);
    adopt_orphans(library)?;
    let mut record = Record::open(&run.record)?;
    let ready = |jail: Jail, pid| {
        record.begin(pid)?;
        jail.begin(&spec.container, run.persist)
    };
    let (pid, console) = match start(client, spec, library, jail, ready) {
        Ok(started) => started,
        Err(failure) => return takedown::after_failure(client, run, failure),
    };
    let notice = Notice::of(library, host.jid);
    let mut watch = Watch { client, pid, jail, exit: None, notice, log: None, console, outputs };
    let mut record = Some(record);
    watch.log = Some(Log::new(&run.log));
    let mut told = false;
    let mut pause = FIRST_LOOK_MS;
    loop {
        let looking = watch.exit.is_some() && watch.notice.is_none();
        watch.next(looking.then_some(pause));
        let Some(exit) = watch.exit else { continue };
        if let Some(record) = record.take() {
            let (code, signal) = exit;
            record.end(code, signal);
        }
        let over = if told { watch.is_gone() } else { watch.is_over() };
        if !told {
            watch.client.send(&exited(exit, over), None);
            told = true;
        }
        if over {
            break;
        }
        pause = (pause * 2).min(LAST_LOOK_MS);
    }
    watch.flush();
    let Watch { mut log, mut outputs, .. } = watch;
    // One that died leaves some of what it was to show. One that is slow takes it yet.
    let is_there = !client.wait_gone();
    outputs.drain(is_there, log.as_mut());
    drop((outputs, log));
    let done = client.took_down;
    takedown::take_down(run, || !done && jail.id_of(&spec.container).is_none_or(|jid| jid == host.jid))
}

fn supervise_exec(client: &mut Client, spec: &Spec, host: &Freebsd, library: Library, outputs: Outputs) -> Outcome<()> {
    let jail = Jail::new(library, host.jid);
    let (pid, console) = start(client, spec, library, jail, |_, _| Ok(()))?;
    let mut watch = Watch { client, pid, jail, exit: None, notice: None, log: None, console, outputs };
    let mut hang_up = HangUp::default();
    let mut told = false;
    // Those that it leaves behind may go on writing, if to nobody: the end of the command is not to end them.
    while !told || watch.outputs.are_open() {
        watch.next(hang_up.timeout());
        // SAFETY: no pointers. The child is reaped by this process alone, so its pid is its own until its end was seen.
        let kill = |pid| unsafe { libc::kill(pid, libc::SIGKILL) };
        hang_up.look(watch.client, watch.console.as_mut(), || {
            if watch.exit.is_none() {
                kill(watch.pid);
            }
        });
        if let Some(exit) = watch.exit.filter(|_| !told) {
            watch.notice = Notice::of(library, host.jid);
            // As a rule the container's own process runs, and the jail stays.
            let over = jail.is_inhabited() != Some(true) && watch.is_over();
            watch.client.send(&exited(exit, over), None);
            watch.flush();
            told = true;
        }
    }
    Ok(())
}

/// Processes whose parents ended become this one's children, procctl(2): not the host's init's.
fn adopt_orphans(library: Library) -> Outcome<()> {
    let call = library.procctl()?;
    // SAFETY: this request takes no data.
    check(unsafe { call(P_PID, 0, PROC_REAP_ACQUIRE, null_mut()) }.into()).map(drop).at("procctl", "PROC_REAP_ACQUIRE")
}

fn exited((code, signal): (Option<i32>, Option<i32>), jail_empty: bool) -> Event {
    Event::Exited { code, signal, jail_empty }
}

/// Starts the process and says so once `ready` has succeeded; of its stdio the supervisor keeps its console alone.
fn start(
    client: &mut Client,
    spec: &Spec,
    library: Library,
    jail: Jail,
    ready: impl FnOnce(Jail, libc::pid_t) -> Outcome<()>,
) -> Outcome<(libc::pid_t, Option<Console>)> {
    let null = open("/dev/null", libc::O_RDWR).at("open", "/dev/null")?;
    let input = Console::open_input(spec)?;
    let (ours, theirs) = socket_pair().at("socketpair", "")?;
    // SAFETY: there is one thread only, so no lock is held in the child.
    let pid = check(unsafe { libc::fork() }.into()).at("fork", "")? as libc::pid_t;
    if pid == 0 {
        become_payload(library, jail, &spec.process, theirs);
    }
    drop(theirs);
    let started = await_program(&ours, client).and_then(|master| {
        ready(jail, pid)?;
        Console::open(spec, master, input)
    });
    let (console, stream) = started.inspect_err(|_| {
        // SAFETY: no pointers. The child is not reaped yet, so its pid is its own.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        // SAFETY: as above; its status is not wanted.
        unsafe { libc::waitpid(pid, null_mut(), 0) };
    })?;
    for standard in 0..=2 {
        duplicate_to(null.as_fd(), standard).at("dup2", "/dev/null")?;
    }
    client.send(&Event::Started { pid }, stream.as_ref().map(AsFd::as_fd));
    Ok((pid, console))
}

/// All that a supervisor waits for.
struct Watch<'a> {
    client: &'a mut Client,
    pid: libc::pid_t,
    jail: Jail,
    /// Exit code or signal.
    exit: Option<(Option<i32>, Option<i32>)>,
    /// Of the jail's end, until it has come; none where the kernel does not tell.
    notice: Option<Notice>,
    log: Option<Log>,
    console: Option<Console>,
    outputs: Outputs,
}

impl Watch<'_> {
    /// After the end of the process.
    fn flush(&mut self) {
        if let Some(console) = &mut self.console {
            console.flush();
        }
    }

    /// Waits for the next thing to happen, at most so long, and takes it in.
    fn next(&mut self, timeout_ms: Option<u64>) {
        let end = self.notice.as_ref().map_or(-1, Notice::descriptor);
        let mut polled =
            [self.client.descriptor(), end].map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).to_vec();
        let first = polled.len();
        polled.extend(self.outputs.polled(self.client.is_there()));
        let own = polled.len();
        polled.extend(self.console.as_ref().map(Console::polled).into_iter().flatten());
        signal::poll(&mut polled, timeout_ms);
        self.outputs.serve(&polled[first..own], self.log.as_mut());
        if let Some(console) = &mut self.console {
            console.serve(&polled[own..], self.log.as_mut());
        }
        self.reap();
        if polled[1].revents != 0 {
            self.notice = None;
        }
        if polled[0].revents != 0 {
            let pid = self.pid;
            let signal = |number| signal_as_terminal(pid, number);
            self.client.serve(self.exit.is_none().then_some(&signal as &dyn Fn(i32)));
            self.outputs.close(self.client.unread);
        }
    }

    /// Takes in the ends of children: of the process, and of those that others left behind.
    fn reap(&mut self) {
        let mut status = 0;
        loop {
            // SAFETY: status outlives the call.
            let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
            if pid <= 0 {
                return;
            }
            if pid == self.pid {
                let signal = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
                self.exit = Some((signal.is_none().then(|| libc::WEXITSTATUS(status)), signal));
                if let Some(console) = &mut self.console {
                    console.end(self.log.as_mut());
                }
                self.outputs.drain(self.client.is_there(), self.log.as_mut());
            }
        }
    }

    /// After the end of the process: is the jail gone, too? Waits for it where no process is left in it, since the kernel
    /// removes it in its own time.
    fn is_over(&mut self) -> bool {
        let last = Instant::now() + EMPTYING;
        loop {
            if self.settles() {
                return true;
            }
            if self.jail.is_inhabited() != Some(false) || Instant::now() >= last {
                return false;
            }
        }
    }

    /// Is the jail gone within a moment?
    fn settles(&mut self) -> bool {
        if self.notice.as_ref().is_some_and(|notice| !notice.wait(SETTLING)) {
            return false;
        }
        self.notice = None;
        let deadline = Instant::now() + SETTLING;
        while !self.is_gone() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Looks, unless word of it would have come.
    fn is_gone(&self) -> bool {
        self.notice.is_none() && !self.jail.exists()
    }
}

/// Signals a child that leads a process group. SIGINT and SIGQUIT go to the whole group, as from a terminal: the
/// client's terminal has no other way to reach a pipeline in the container. kill(2)
fn signal_as_terminal(pid: libc::pid_t, number: i32) {
    let group = number == libc::SIGINT || number == libc::SIGQUIT;
    // SAFETY: no pointers. The child is not reaped yet, so its numbers are its own.
    unsafe { libc::kill(if group { -pid } else { pid }, number) };
}
