//! What a forked child reports before it is what it shall be.

use super::client::Client;
use crate::failure::{At, Failure, Outcome};
use crate::wire;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// From a forked child to the supervisor. The end of the channel without a report: the child has executed its program.
/// A child that waits for another one is told by the supervisor in the same way.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// The container's root file system is. From pid 1, with its root directory riding along; to the payload without.
    Ready,
    /// The master side of its terminal rides along.
    Terminal,
    Failed(Failure),
}

/// Sends a report; the supervisor that does not hear it is dead, and nobody else would listen.
pub fn report(channel: &OwnedFd, report: &Report, attached: Option<BorrowedFd<'_>>) {
    let _ = send(channel, report, attached);
}

/// Sends a report to one that waits for it, and would go on waiting.
pub fn send(channel: &OwnedFd, report: &Report, attached: Option<BorrowedFd<'_>>) -> Outcome<()> {
    let json = serde_json::to_vec(report).map_err(io::Error::from).at("report", "child")?;
    wire::send(channel.as_fd(), &json, attached).at("sendmsg", "child")
}

pub fn next_report(channel: &OwnedFd) -> Outcome<Option<(Report, Option<OwnedFd>)>> {
    let Some((json, attached)) = wire::receive(channel.as_fd()).at("recvmsg", "child")? else { return Ok(None) };
    let report =
        serde_json::from_slice(&json).map_err(|error| Failure::refusal("report", "child", &error.to_string()))?;
    Ok(Some((report, attached)))
}

/// Waits until the child has executed its program, for as long as there is a client that wants it: once it is in the
/// container, others there can stop it. Returns the master of its terminal.
pub fn await_program(channel: &OwnedFd, client: &mut Client) -> Outcome<Option<OwnedFd>> {
    let mut master = None;
    loop {
        client.wait_with(channel.as_fd())?;
        let Some((report, attached)) = next_report(channel)? else { return Ok(master) };
        if let Report::Failed(failure) = report {
            return Err(failure);
        }
        master = attached.or(master);
    }
}
