//! What the modelled kernel consists of. What can be done with each part is in the module of its name.

use crate::errno::{Answer, ENXIO};
use crate::pf::Pf;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

pub const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_RUNNING: u32 = 0x40;
const IFF_BROADCAST: u32 = 0x2;
const IFF_SIMPLEX: u32 = 0x800;
const IFF_MULTICAST: u32 = 0x8000;
/// `new`: a network stack of its own.
pub const JAIL_SYS_NEW: i32 = 1;

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

    pub fn osreldate(&self) -> i32 {
        match self.machine.release {
            12 => 1_201_000,
            14 => 1_402_000,
            _ => 1_501_000,
        }
    }
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Address {
    pub ip: IpAddr,
    pub prefix: u8,
    #[serde(default)]
    pub broadcast: Option<Ipv4Addr>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    pub name: String,
    pub index: u16,
    /// Name of its driver: `lo`, `bridge`, `epair`, `em`.
    pub driver: String,
    /// Its number among those of the driver, by which a new one's name is found; a renamed one keeps it.
    #[serde(default)]
    pub unit: u32,
    /// Made by a request, so it can be destroyed by one.
    #[serde(default)]
    pub cloned: bool,
    pub flags: u32,
    #[serde(default)]
    pub groups: Vec<String>,
    #[serde(default)]
    pub description: Option<String>,
    pub addresses: Vec<Address>,
    /// Bridges: names of their members.
    #[serde(default)]
    pub members: Vec<String>,
    /// The jail whose own network stack it is in; 0: the host's.
    #[serde(default)]
    pub vnet: i32,
    #[serde(default)]
    pub link: Option<[u8; 6]>,
}

impl Interface {
    pub fn loopback(name: &str, index: u16) -> Self {
        let address = |ip: IpAddr, prefix| Address { ip, prefix, broadcast: None };
        Self {
            name: name.into(),
            index,
            driver: "lo".into(),
            unit: 0,
            cloned: false,
            flags: IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_MULTICAST,
            groups: vec!["all".into(), "lo".into()],
            description: None,
            addresses: vec![
                address(Ipv4Addr::LOCALHOST.into(), 8),
                address(Ipv6Addr::LOCALHOST.into(), 128),
                address(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into(), 64),
            ],
            members: Vec::new(),
            vnet: 0,
            link: None,
        }
    }

    pub fn cloned(driver: &str, name: &str, unit: u32, index: u16) -> Self {
        let ether = driver != "lo";
        let flags = if ether { IFF_BROADCAST | IFF_SIMPLEX } else { IFF_LOOPBACK };
        Self {
            name: name.into(),
            unit,
            cloned: true,
            driver: driver.into(),
            flags: flags | IFF_MULTICAST,
            groups: vec!["all".into(), driver.into()],
            addresses: Vec::new(),
            link: ether.then_some([0x58, 0x9c, 0xfc, 0x10, (index >> 8) as u8, index as u8]),
            ..Self::loopback(name, index)
        }
    }

    /// With its first address an interface comes up, a loopback one with addresses of its own.
    pub fn bring_up(&mut self) {
        if self.flags & IFF_UP != 0 {
            return;
        }
        self.flags |= IFF_UP | IFF_RUNNING;
        if self.driver == "lo" {
            let own = Self::loopback("", 0).addresses;
            self.addresses.extend(own.into_iter().filter(|address| address.ip.is_ipv6()));
        }
    }

    pub fn add(&mut self, address: Address) {
        self.addresses.retain(|one| one.ip != address.ip);
        self.addresses.push(address);
        self.bring_up();
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Jail {
    pub jid: i32,
    pub name: String,
    pub path: String,
    pub texts: BTreeMap<String, String>,
    pub ints: BTreeMap<String, i64>,
    pub bools: BTreeMap<String, bool>,
    pub ip4: Vec<Ipv4Addr>,
    pub ip6: Vec<Ipv6Addr>,
    /// Milliseconds since 1970 until which it is there for those who ask for dying ones.
    pub dying_until: Option<u64>,
}

impl Jail {
    pub fn persists(&self) -> bool {
        self.bools.get("persist") == Some(&true)
    }
    pub fn has_vnet(&self) -> bool {
        self.ints.get("vnet") == Some(&i64::from(JAIL_SYS_NEW))
    }
    pub fn has(&self, addresses: &[IpAddr]) -> bool {
        addresses.iter().any(|address| match address {
            IpAddr::V4(address) => self.ip4.contains(address),
            IpAddr::V6(address) => self.ip6.contains(address),
        })
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Mount {
    pub kind: String,
    pub source: String,
    pub path: String,
    pub flags: u64,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Dataset {
    /// The snapshot it is a clone of.
    pub origin: Option<String>,
    pub snapshots: Vec<String>,
    /// Snapshots that go with their last clone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deferred: Vec<String>,
    pub properties: BTreeMap<String, String>,
}

/// What the state is kept in; none for a kernel of this process alone.
pub fn directory() -> Option<PathBuf> {
    std::env::var_os("KLEE_SIM").map(PathBuf::from)
}

/// Where the simulator keeps the files of its datasets.
pub fn dataset_files() -> PathBuf {
    directory().unwrap_or_else(std::env::temp_dir).join("zfs")
}
