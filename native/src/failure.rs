//! A step that did not work: what klee prints of it.

use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::io;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The call and its purpose: `mount overlay`.
    pub step: String,
    /// The path or name it was about; empty when there is none.
    pub object: String,
    /// 0 when no kernel call failed; `detail` says then what is wrong.
    pub errno: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Failure {
    /// A failure that no kernel call reported.
    pub fn refusal(step: &str, object: impl Display, detail: &str) -> Self {
        Self { step: step.into(), object: object.to_string(), errno: 0, detail: Some(detail.into()) }
    }
}

pub type Outcome<T> = Result<T, Failure>;

/// Names the step that an I/O error belongs to.
pub trait At<T> {
    fn at(self, step: &str, object: impl Display) -> Outcome<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, step: &str, object: impl Display) -> Outcome<T> {
        self.map_err(|error| Failure {
            step: step.into(),
            object: object.to_string(),
            errno: error.raw_os_error().unwrap_or(libc::EINVAL),
            detail: error.raw_os_error().is_none().then(|| error.to_string()),
        })
    }
}
