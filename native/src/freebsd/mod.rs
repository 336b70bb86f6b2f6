//! The FreeBSD side of the supervisor. Functions that only FreeBSD has are found by name when the program runs, so all of
//! this runs against the simulator on Linux as well.

mod jail;
mod library;
mod notice;
mod null;
mod payload;
mod signal;
pub mod supervisor;
mod terminal;
