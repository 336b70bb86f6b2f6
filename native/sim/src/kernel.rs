//! The modelled kernel: its boot, and the calls of it. Its state is shared by all processes that name the same directory in `KLEE_SIM`.
//!
//! `machine.json` in it, written by the test, describes the machine at boot; `kernel.json` is the state. It is replaced by
//! rename under an flock(2), so a process that dies at any point leaves the state before or after its call.

use crate::errno::Answer;
use crate::fault;
use crate::pf::Pf;
use crate::state::{Dataset, Kernel, Machine, directory};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;

fn boot(machine: Machine) -> Kernel {
    let mut kernel = Kernel {
        boot_id: random(),
        boot_time: std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        interfaces: machine.interfaces.clone(),
        next_index: machine.interfaces.iter().map(|one| one.index).max().unwrap_or(0) + 1,
        jails: Vec::new(),
        last_jid: 0,
        mounts: crate::mount::at_boot(&machine),
        datasets: machine.datasets.keys().map(|name| (name.clone(), Dataset::default())).collect(),
        modules: machine.modules.clone(),
        sysctls: crate::sysctl::at_boot(),
        limits: Vec::new(),
        // Release 15 has one more, for jails with a network of their own.
        rulesets: if machine.devfs {
            (1..=if machine.release >= 15 { 5 } else { 4 }).map(|number| (number, BTreeSet::from([100]))).collect()
        } else {
            BTreeMap::new()
        },
        pf: Pf::default(),
        pf_unloaded: 0,
        pf_looked_for: false,
        dropped: Vec::new(),
        machine,
    };
    if kernel.machine.pf {
        kernel.modules.insert("pf".into());
        let host = kernel.pf_host();
        let _ = crate::pf::ioctl(&mut kernel.pf, &host, crate::pf::DIOCSTART, 0);
    }
    kernel
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    // SAFETY: pointer and length are of one live array.
    unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    bytes
}

/// The state as this process saw it last, and the file it was read from: device, inode, size and time.
struct Seen {
    kernel: Kernel,
    file: (u64, u64, u64, i64),
}

static SEEN: Mutex<Option<Seen>> = Mutex::new(None);

/// Makes one call of the kernel: `work` sees the state and may change it, and what it changed stays even when it fails.
pub fn enter<T>(call: &str, work: impl FnOnce(&mut Kernel) -> Answer<T>) -> Answer<T> {
    let number = fault::before(call)?;
    let result = by_itself(work);
    fault::after(number);
    fault::left(number, call);
    result
}

/// What the kernel does by itself, in no call of a process.
pub fn by_itself<T>(work: impl FnOnce(&mut Kernel) -> T) -> T {
    let mut seen = SEEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let Some(directory) = directory() else {
        // A kernel of this process alone.
        let seen = seen.get_or_insert_with(|| Seen {
            kernel: boot(Machine { real: false, ..Machine::default() }),
            file: (0, 0, 0, 0),
        });
        return work(&mut seen.kernel);
    };
    let _lock = lock(&directory.join("lock"));
    let path = directory.join("kernel.json");
    let current = identity(&path);
    if seen.as_ref().is_none_or(|seen| Some(seen.file) != current) {
        *seen = Some(Seen { kernel: read(&directory, &path), file: current.unwrap_or_default() });
    }
    let Some(seen) = seen.as_mut() else { unreachable!("it was read above") };
    let before = serde_json::to_vec(&seen.kernel).expect("the state is plain data");
    let result = work(&mut seen.kernel);
    let after = serde_json::to_vec(&seen.kernel).expect("the state is plain data");
    if before != after || current.is_none() {
        let new = directory.join("kernel.json.new");
        fs::write(&new, &after).expect("the simulator's directory takes its state");
        fs::rename(&new, &path).expect("the simulator's directory takes its state");
        seen.file = identity(&path).unwrap_or_default();
    }
    result
}

fn read(directory: &Path, path: &Path) -> Kernel {
    if let Ok(text) = fs::read(path) {
        return serde_json::from_slice(&text).expect("kernel.json is a state of this simulator");
    }
    let machine = match fs::read(directory.join("machine.json")) {
        Ok(text) => serde_json::from_slice(&text).expect("machine.json describes a machine"),
        Err(_) => Machine::default(),
    };
    boot(machine)
}

/// Differs when the state has changed meanwhile; none for a kernel of this process alone.
pub fn version() -> Option<(u64, u64, u64, i64)> {
    identity(&directory()?.join("kernel.json"))
}

fn identity(path: &Path) -> Option<(u64, u64, u64, i64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime_nsec()))
}

fn lock(path: &Path) -> File {
    let file = File::options().create(true).truncate(false).write(true).open(path).expect("KLEE_SIM is a directory");
    // SAFETY: no pointers; waits until nobody else holds it.
    unsafe { libc::syscall(libc::SYS_flock, file.as_raw_fd(), libc::LOCK_EX) };
    file
}
