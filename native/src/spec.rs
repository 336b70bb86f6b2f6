//! The messages of both directions. `src/ffi/native.ts` has the same shapes in TypeScript.

use crate::failure::Failure;
use serde::{Deserialize, Serialize};

/// First message from klee.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    pub mode: Mode,
    /// Its id.
    pub container: String,
    pub run: Option<Run>,
    pub process: Process,
    /// What each host needs besides; the other's is absent.
    #[cfg(not(any(target_os = "freebsd", feature = "sim")))]
    pub linux: Option<Linux>,
    #[cfg(any(target_os = "freebsd", feature = "sim"))]
    pub freebsd: Option<Freebsd>,
}

#[derive(Debug, Deserialize, PartialEq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Run,
    Exec,
}

#[cfg(not(any(target_os = "freebsd", feature = "sim")))]
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linux {
    /// Mount point of cgroup2.
    pub cgroup_root: String,
    /// Directory with the directories `init` and `payload` in it.
    pub cgroup: String,
    /// Inode number of that directory; mode exec only. Another one of the same name is a later run, perhaps half made.
    pub cgroup_id: Option<String>,
    /// Directories of other hierarchies, of version 1, that each process but pid 1 belongs to as well.
    pub groups: Vec<String>,
    pub raw_sockets: bool,
    pub network: Network,
    /// What makes the jail; mode run only.
    pub jail: Option<Jail>,
}

#[cfg(not(any(target_os = "freebsd", feature = "sim")))]
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jail {
    pub root: Root,
    pub hostname: String,
    pub devfs: bool,
    pub mounts: Vec<Bind>,
}

#[cfg(any(target_os = "freebsd", feature = "sim"))]
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freebsd {
    /// The jail, which klee has made.
    pub jid: i32,
    /// The C library that the kernel's functions are called in; absent: the system's own.
    pub library: Option<String>,
}

/// The life of a container; mode run only.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub persist: bool,
    pub lock: String,
    /// File that keeps its pid and its exit status.
    pub record: String,
    /// File that takes what the first process writes and the klee that started it does not show.
    pub log: String,
    /// Absent when the process has neither a terminal nor an input that stays open.
    pub console: Option<Attachable>,
    pub teardown: Vec<String>,
}

/// A process that others can attach to: to its terminal, or, when it has none, to its standard input.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachable {
    /// Path of a socket; its directory exists.
    pub socket: String,
    /// Does the klee that starts the process stay attached?
    pub starter: bool,
}

#[cfg(not(any(target_os = "freebsd", feature = "sim")))]
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    pub lower: Vec<String>,
    pub upper: String,
    pub work: String,
    pub mountpoint: String,
}

#[cfg(not(any(target_os = "freebsd", feature = "sim")))]
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    pub source: String,
    pub destination: String,
    pub read_only: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    pub argv: Vec<String>,
    pub env: Vec<String>,
    pub user: String,
    /// Where it starts; absent: the user's home, or the root where that is not there.
    pub directory: Option<String>,
    pub terminal: Option<Window>,
    /// Without a terminal: does the client copy its standard output, and error?
    pub shown: [bool; 2],
}

#[cfg(not(any(target_os = "freebsd", feature = "sim")))]
#[derive(Debug, Deserialize, PartialEq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Addresses of its own alone.
    Addresses,
    Host,
    None,
}

#[derive(Debug, Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub rows: u16,
    pub columns: u16,
}

/// Later messages from klee.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    Signal {
        number: i32,
    },
    /// Nobody reads this stream, 1 or 2, any more.
    CloseOutput {
        stream: usize,
    },
    /// The container, which has ended, is taken down. Who dies or leaves before that does not say so.
    TakenDown,
    /// The client leaves on purpose: a process with a terminal that nobody else can attach to goes on.
    Detached,
}

/// Messages to klee.
#[derive(Debug, Serialize, PartialEq)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    Started { pid: i32 },
    Failed(Failure),
    Exited { code: Option<i32>, signal: Option<i32>, jail_empty: bool },
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXEC: &str = r#"{"mode":"exec","container":"c","run":null,
        "linux":{"cgroup_root":"/c","cgroup":"/c/k","groups":[],"raw_sockets":false,"network":"addresses","jail":null},
        "process":{"argv":["a"],"env":[],"user":"root","terminal":{"rows":2,"columns":3},"shown":[true,false]}}"#;

    #[test]
    fn a_spec_is_read() {
        let spec: Spec = serde_json::from_str(EXEC).unwrap();
        assert_eq!(spec.mode, Mode::Exec);
        assert!(spec.run.is_none());
        assert_eq!(spec.linux.unwrap().network, Network::Addresses);
        assert_eq!(spec.process.terminal.unwrap().columns, 3);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let unknown = EXEC.replacen("\"mode\"", "\"surprise\":1,\"mode\"", 1);
        assert!(serde_json::from_str::<Spec>(&unknown).unwrap_err().to_string().contains("surprise"));
        assert!(serde_json::from_str::<Spec>(&EXEC.replace("addresses", "vnet")).is_err());
        assert!(serde_json::from_str::<Command>(r#"{"command":"stop"}"#).is_err());
        assert_eq!(
            serde_json::from_str::<Command>(r#"{"command":"signal","number":15}"#).unwrap(),
            Command::Signal { number: 15 }
        );
    }

    #[test]
    fn events_have_the_keys_klee_reads() {
        let exited = Event::Exited { code: Some(3), signal: None, jail_empty: true };
        assert_eq!(
            serde_json::to_string(&exited).unwrap(),
            r#"{"event":"exited","code":3,"signal":null,"jail_empty":true}"#
        );
        let failed = Event::Failed(Failure { step: "execve".into(), object: "x".into(), errno: 2, detail: None });
        assert_eq!(
            serde_json::to_string(&failed).unwrap(),
            r#"{"event":"failed","step":"execve","object":"x","errno":2}"#
        );
    }
}
