//! The log of a detached container. The payload writes to the file itself, so that it never waits for the supervisor
//! and survives it; the supervisor keeps the file within bounds and notes what was written when.
//!
//! The oldest bytes are given back to the file system as a hole: the file's size and the offsets in it stay. Beside it,
//! `LOG.index` has lines `MILLISECONDS OFFSET`: what lies before the offset was written before that time (Unix time).
//! Its first line has the time 0 and the offset at which the log begins.

use crate::failure::{At, Outcome};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How much of the log is kept, in bytes.
const KEPT: u64 = 10 << 20;
/// How far it may grow beyond before the oldest part goes, in bytes: a multiple of every file system's block size.
const SLACK: u64 = 1 << 20;
/// At most so often is the file looked at, and a time noted.
const REST: Duration = Duration::from_millis(50);
const NOTE_EVERY: Duration = Duration::from_secs(1);
/// Where nobody tells of writes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub struct Log {
    file: File,
    path: String,
    /// Readable once the file was written to; without it, the file is looked at now and then.
    written: Option<OwnedFd>,
    /// Gives the bytes before an offset back to the file system.
    free: Free,
    begin: u64,
    noted: Option<Instant>,
    noted_size: u64,
    /// When the next time is due to be noted.
    note_at: Option<Instant>,
    rest_until: Option<Instant>,
}

/// How a host does it.
pub type Free = fn(&File, u64) -> io::Result<()>;

impl Log {
    pub fn open(path: &str, written: Option<OwnedFd>, free: Free) -> Outcome<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path).at("open", path)?;
        let begin = read_begin(path);
        // The payload may have written already, before the watch began: the file is looked at once, soon.
        let rest_until = Some(Instant::now());
        let log = Self {
            file,
            path: path.to_owned(),
            written,
            free,
            begin,
            noted: None,
            noted_size: 0,
            note_at: None,
            rest_until,
        };
        log.write_index(begin).at("write", format!("{path}.index"))?;
        Ok(log)
    }

    /// What to wait for; poll(2) passes over -1.
    pub fn descriptor(&self) -> RawFd {
        match &self.written {
            Some(written) if self.rest_until.is_none() => written.as_raw_fd(),
            _ => -1,
        }
    }

    /// How long to wait at most, in milliseconds, rounded up; -1: for ever.
    pub fn timeout(&self) -> libc::c_int {
        let until = self.rest_until.into_iter().chain(self.note_at).min();
        until.map_or(-1, |until| until.saturating_duration_since(Instant::now()).as_millis() as libc::c_int + 1)
    }

    /// To be called after each wait. Best effort: a full disk is no reason to end a container.
    pub fn keep(&mut self, announced: bool) {
        let now = Instant::now();
        let is_over = |until: Option<Instant>| until.is_some_and(|until| until <= now);
        if announced {
            if let Some(written) = &self.written {
                drain(written.as_raw_fd());
            }
            self.rest_until = Some(now + REST);
        } else if is_over(self.rest_until) {
            self.rest_until = self.written.is_none().then_some(now + LOOK_EVERY);
        } else if !is_over(self.note_at) {
            return;
        }
        let Ok(size) = self.file.metadata().map(|metadata| metadata.len()) else { return };
        if size > self.begin + KEPT + SLACK {
            let begin = (size - KEPT) / SLACK * SLACK;
            // Told before it is done: who reads looks at the index after the bytes.
            let _ = self.write_index(begin);
            let _ = (self.free)(&self.file, begin);
            self.begin = begin;
        }
        // What was written is noted at once, or when the last note is old enough.
        let note_at = self.noted.map_or(now, |noted| noted + NOTE_EVERY);
        self.note_at = (size != self.noted_size).then_some(note_at);
        if is_over(self.note_at) {
            let _ = self.note(size);
            (self.noted, self.noted_size, self.note_at) = (Some(now), size, None);
        }
    }

    fn note(&self, size: u64) -> io::Result<()> {
        let mut index = OpenOptions::new().append(true).open(format!("{}.index", self.path))?;
        writeln!(index, "{} {size}", now_milliseconds())
    }

    /// Replaces the index by one without the times of what is gone.
    fn write_index(&self, begin: u64) -> io::Result<()> {
        let path = format!("{}.index", self.path);
        let kept: String = fs::read_to_string(&path)
            .unwrap_or_default()
            .lines()
            .filter(|line| parse(line).is_some_and(|(time, offset)| time > 0 && offset > begin))
            .map(|line| format!("{line}\n"))
            .collect();
        let new = format!("{path}.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(format!("0 {begin}\n{kept}").as_bytes())?;
        fs::rename(new, path)
    }
}

/// Takes the announcements away: what they say is read from the file.
fn drain(descriptor: RawFd) {
    let mut buffer = [0_u8; 4096];
    // SAFETY: pointer and length are of one live array.
    while unsafe { libc::read(descriptor, buffer.as_mut_ptr().cast(), buffer.len()) } > 0 {}
}

fn read_begin(path: &str) -> u64 {
    let index = fs::read_to_string(format!("{path}.index")).unwrap_or_default();
    index.lines().next().and_then(parse).map_or(0, |(_, offset)| offset)
}

fn parse(line: &str) -> Option<(u64, u64)> {
    let (time, offset) = line.split_once(' ')?;
    Some((time.parse().ok()?, offset.parse().ok()?))
}

fn now_milliseconds() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}
