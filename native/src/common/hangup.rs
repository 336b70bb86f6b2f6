//! The end of a command whose klee has gone from its terminal: nobody can reach it any more.

use super::client::Client;
use super::console::Console;
use std::time::{Duration, Instant};

/// How long what does not end by SIGHUP goes on.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of a command's terminal.
#[derive(Default)]
pub struct HangUp {
    at: Option<Instant>,
    killed: bool,
}

impl HangUp {
    /// To be called after each wait. Hangs the terminal up once the client has gone without saying that the command is to
    /// go on; calls `kill` if that does not end it in time.
    pub fn look(&mut self, client: &Client, console: Option<&mut Console>, kill: impl FnOnce()) {
        match self.at {
            None if !client.is_there() && !client.detached => {
                if let Some(console) = console.filter(|console| console.is_deserted()) {
                    console.hang_up();
                    self.at = Some(Instant::now());
                }
            }
            Some(at) if !self.killed && at.elapsed() >= PATIENCE => {
                self.killed = true;
                kill();
            }
            _ => {}
        }
    }

    /// How long to wait at most, in milliseconds; None: as long as it takes.
    pub fn timeout(&self) -> Option<u64> {
        let at = self.at.filter(|_| !self.killed)?;
        // Rounded up: a rest below a millisecond must not become a busy loop.
        Some(PATIENCE.saturating_sub(at.elapsed()).as_millis() as u64 + 1)
    }
}
