//! The log of a container: what its first process wrote that no klee showed, in two files of bounded size, `PATH` and the
//! one before it, `PATH.old`. A file is a row of records, each with the stream and the time of one read; src/kleene/container/
//! log-records.ts reads them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, IoSlice, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

/// How long a file may become, in bytes: of both, as much is kept at least, and twice as much at most.
const LIMIT: u64 = 5 << 20;
/// What a record may hold at most, in bytes.
pub const LONGEST: usize = 64 * 1024;
/// Before the bytes: their number, u32; the stream, u8; the mark; microseconds since 1970, u64; all little-endian.
const HEADER: usize = 16;
const MARK: &[u8; 3] = b"klg";

/// Where the bytes of a record came from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Stream {
    /// Of a terminal, too.
    Output = 1,
    Error = 2,
    /// The supervisor itself: a text for the reader.
    Note = 3,
}

pub struct Log {
    path: String,
    /// Opened once there is something to write.
    file: Option<File>,
    /// Of the file, in bytes.
    size: u64,
    /// What could not be written since the last record, in bytes, and why.
    lost: Option<(u64, io::Error)>,
}

impl Log {
    pub fn new(path: &str) -> Self {
        Self { path: path.to_owned(), file: None, size: 0, lost: None }
    }

    /// Never fails and never waits for room: what a full file system does not take is lost, which the next record tells.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        for part in bytes.chunks(LONGEST) {
            let written = self.tell_lost().and_then(|()| self.append(stream, part));
            if let Err(error) = written {
                let lost = self.lost.take().map_or(0, |(lost, _)| lost);
                self.lost = Some((lost + part.len() as u64, error));
            }
        }
    }

    fn tell_lost(&mut self) -> io::Result<()> {
        let Some((lost, error)) = self.lost.take() else { return Ok(()) };
        let text = format!("{lost} bytes of output could not be kept: {error}");
        self.append(Stream::Note, text.as_bytes()).inspect_err(|_| self.lost = Some((lost, error)))
    }

    fn append(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let length = (HEADER + bytes.len()) as u64;
        if self.file.is_none() {
            self.open()?;
        }
        if self.size > 0 && self.size + length > LIMIT {
            // What was in the file before the last one goes.
            fs::rename(&self.path, format!("{}.old", self.path))?;
            self.file = None;
            self.open()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let written = write_whole(file, &header(stream, bytes.len()), bytes);
        if written.is_ok() {
            self.size += length;
        } else {
            // Half a record would hide all that follow.
            let _ = file.set_len(self.size);
        }
        written
    }

    fn open(&mut self) -> io::Result<()> {
        let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).custom_flags(flags).open(&self.path)?;
        self.size = whole_records(&file)?;
        if file.metadata()?.len() > self.size {
            file.set_len(self.size)?;
        }
        self.file = Some(file);
        Ok(())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = self.tell_lost();
    }
}

fn header(stream: Stream, length: usize) -> [u8; HEADER] {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&(length as u32).to_le_bytes());
    header[4] = stream as u8;
    header[5..8].copy_from_slice(MARK);
    header[8..].copy_from_slice(&now.to_le_bytes());
    header
}

fn write_whole(file: &mut File, header: &[u8], bytes: &[u8]) -> io::Result<()> {
    let written = file.write_vectored(&[IoSlice::new(header), IoSlice::new(bytes)])?;
    match written.checked_sub(header.len()) {
        Some(rest) => file.write_all(&bytes[rest..]),
        None => file.write_all(&header[written..]).and_then(|()| file.write_all(bytes)),
    }
}

/// Up to where the file holds whole records: a supervisor that was killed, or a machine that stopped, may leave half a one.
fn whole_records(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(LONGEST, file);
    let mut end = 0;
    let mut header = [0; HEADER];
    while end + HEADER as u64 <= length {
        reader.read_exact(&mut header)?;
        let held = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let next = end + HEADER as u64 + u64::from(held);
        if &header[5..8] != MARK || held as usize > LONGEST || next > length {
            break;
        }
        reader.seek_relative(held.into())?;
        end = next;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> String {
        let path = std::env::temp_dir().join(format!("klee-log-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path.join("log").to_str().unwrap().to_owned()
    }

    /// Stream and bytes of each record.
    fn records(path: &str) -> Vec<(u8, Vec<u8>)> {
        let bytes = fs::read(path).unwrap();
        let mut rest = &bytes[..];
        let mut found = Vec::new();
        while !rest.is_empty() {
            assert_eq!(&rest[5..8], MARK);
            let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
            found.push((rest[4], rest[HEADER..HEADER + length].to_vec()));
            rest = &rest[HEADER + length..];
        }
        found
    }

    #[test]
    fn any_bytes_are_kept_with_their_stream() {
        let path = directory("bytes");
        let mut log = Log::new(&path);
        log.write(Stream::Output, b"\0\xff no line");
        log.write(Stream::Error, &vec![7; LONGEST + 1]);
        log.write(Stream::Output, b"");
        assert_eq!(records(&path), [(1, b"\0\xff no line".to_vec()), (2, vec![7; LONGEST]), (2, vec![7])]);
        fs::remove_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
    }

    #[test]
    fn half_a_record_goes_before_the_next() {
        let path = directory("torn");
        Log::new(&path).write(Stream::Output, b"one");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&header(Stream::Output, 9)).unwrap();
        Log::new(&path).write(Stream::Output, b"two");
        assert_eq!(records(&path), [(1, b"one".to_vec()), (1, b"two".to_vec())]);
        fs::remove_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
    }

    #[test]
    fn two_files_hold_the_last_of_it() {
        let path = directory("turn");
        let mut log = Log::new(&path);
        for number in 0..300_u32 {
            log.write(Stream::Output, &[&number.to_le_bytes()[..], &[0; LONGEST - 4]].concat());
        }
        let kept = [records(&format!("{path}.old")), records(&path)].concat();
        let numbers: Vec<u32> =
            kept.iter().map(|(_, bytes)| u32::from_le_bytes(bytes[..4].try_into().unwrap())).collect();
        assert_eq!(numbers, (300 - numbers.len() as u32..300).collect::<Vec<_>>());
        let bytes = numbers.len() as u64 * LONGEST as u64;
        assert!((LIMIT..=2 * LIMIT).contains(&bytes), "{bytes}");
        fs::remove_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
    }

    #[test]
    fn what_a_full_file_system_does_not_take_is_told() {
        let mut log = Log::new("/dev/full");
        // A device is no file: its length is 0, and each write to it fails as on a full file system.
        log.write(Stream::Output, b"lost");
        log.write(Stream::Error, b"too");
        let path = directory("full");
        log.path = path.clone();
        log.file = None;
        log.write(Stream::Output, b"kept");
        let found = records(&path);
        assert_eq!(found[0].0, Stream::Note as u8);
        assert!(String::from_utf8_lossy(&found[0].1).starts_with("7 bytes of output could not be kept: No space left"));
        assert_eq!(found[1], (1, b"kept".to_vec()));
        fs::remove_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
    }
}
