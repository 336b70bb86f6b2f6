//! What the supervisors of both hosts have in common.

pub mod client;
pub mod command;
pub mod console;
pub mod hangup;
pub mod later;
pub mod log;
pub mod outputs;
pub mod record;
pub mod report;
pub mod sys;
pub mod takedown;
pub mod user;
