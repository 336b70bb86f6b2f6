//! The state of the modelled kernel, shared by all processes that name the same directory in `KLEE_SIM`.
//!
//! `machine.json` in it, written by the test, describes the machine at boot; `kernel.json` is the state. It is replaced by
//! rename under an flock(2), so a process that dies at any point leaves the state before or after its call.

use crate::errno::{Answer, ENXIO};
use crate::fault;
use crate::interface::Interface;
use crate::jail::Jail;
use crate::mount::Mount;
use crate::pf::Pf;
use crate::zfs::Dataset;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The machine as it boots.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Machine {
    /// 12 (12.1), 14 (14.2) or 15 (15.1): requests and flags differ.
    pub release: u32,
    pub interfaces: Vec<Interface>,
    pub hostname: String,
    /// Name of the interface that the default route leads to, by family.
    pub default4: Option<String>,
    pub default6: Option<String>,
    /// The routers there; without one, the route says the unspecified address.
    pub gateway4: Option<std::net::Ipv4Addr>,
    pub gateway6: Option<std::net::Ipv6Addr>,
    /// Machines on the networks of the interfaces.
    pub neighbours: Vec<Neighbour>,
    /// pf is loaded and filters.
    pub pf: bool,
    /// kern.racct.enable
    pub racct: bool,
    /// Datasets by name, with their mount points.
    pub datasets: BTreeMap<String, String>,
    /// devfs(8) has loaded the host's rulesets, devfsrules_jail among them.
    pub devfs: bool,
    /// Kernel modules that are loaded, besides pf.
    pub modules: BTreeSet<String>,
    /// Directories that are there beside those of the system below, where mounts are not real.
    pub directories: BTreeSet<String>,
    /// Mounts, roots and signals are real ones of the system below; else only the model knows of them.
    pub real: bool,
}

/// Another machine on the network of an interface.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbour {
    pub interface: String,
    pub ip: std::net::IpAddr,
    pub link: [u8; 6],
    /// The kernel has spoken to it: it is in arp(8)'s or ndp(8)'s table.
    #[serde(default)]
    pub known: bool,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            release: 14,
            hostname: "freebsd".into(),
            interfaces: vec![Interface::loopback("lo0", 1)],
            default4: None,
            default6: None,
            gateway4: None,
            gateway6: None,
            neighbours: Vec::new(),
            pf: true,
            racct: true,
            datasets: BTreeMap::new(),
            devfs: true,
            modules: ["if_epair", "nullfs", "zfs"].map(String::from).into(),
            directories: BTreeSet::new(),
            real: true,
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Kernel {
    pub machine: Machine,
    pub boot_id: [u8; 16],
    /// Seconds since 1970.
    pub boot_time: u64,
    pub interfaces: Vec<Interface>,
    pub next_index: u16,
    pub jails: Vec<Jail>,
    pub last_jid: i32,
    pub mounts: Vec<Mount>,
    pub datasets: BTreeMap<String, Dataset>,
    pub modules: BTreeSet<String>,
    pub sysctls: BTreeMap<String, i32>,
    /// rctl(4) rules, newest first.
    pub limits: Vec<String>,
    /// devfs(5) rulesets: number to the numbers of its rules.
    pub rulesets: BTreeMap<u16, BTreeSet<u16>>,
    pub pf: Pf,
    /// How often it was unloaded.
    #[serde(default)]
    pub pf_unloaded: u32,
    /// Was its device looked for since?
    #[serde(default)]
    pub pf_looked_for: bool,
    /// Connections of sockets that were dropped, net.inet.tcp.drop: `LOCAL PORT to FOREIGN PORT`.
    #[serde(default)]
    pub dropped: Vec<String>,
}

impl Kernel {
    fn boot(machine: Machine) -> Self {
        let mut kernel = Self {
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

    pub fn interface(&mut self, name: &str) -> Answer<&mut Interface> {
        self.interfaces.iter_mut().find(|one| one.name == name && one.vnet == 0).ok_or(ENXIO)
    }

    pub fn has_module(&self, name: &str) -> bool {
        self.modules.contains(name)
    }

    /// What the packet filter knows of the rest.
    pub fn pf_host(&self) -> crate::pf::Host {
        crate::pf::Host {
            release: self.machine.release,
            interfaces: self
                .interfaces
                .iter()
                .filter(|one| one.vnet == 0)
                .map(|one| crate::pf::Interface {
                    name: one.name.clone(),
                    groups: one.groups.clone(),
                    addresses: one.addresses.iter().map(|address| address.ip).collect(),
                })
                .collect(),
        }
    }
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

fn directory() -> Option<PathBuf> {
    std::env::var_os("KLEE_SIM").map(PathBuf::from)
}

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
            kernel: Kernel::boot(Machine { real: false, ..Machine::default() }),
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
    Kernel::boot(machine)
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

/// Where the simulator keeps the files of its datasets.
pub fn dataset_files() -> PathBuf {
    directory().unwrap_or_else(std::env::temp_dir).join("zfs")
}
