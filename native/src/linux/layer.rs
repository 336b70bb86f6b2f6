//! The overlay that a container's files are in.

use crate::common::sys::{lock, open};
use crate::failure::{At, Outcome};
use crate::spec::Root;
use std::os::fd::{AsFd, OwnedFd};

/// A container's own layer, which one overlay at a time may use.
///
/// The last one to let go of an overlay has the kernel write out all of the file system that its upper layer is on,
/// whoever made it dirty: that takes milliseconds, and seconds beside somebody who copies a disk. With the overlay held
/// open here, pid 1 and the client need not wait for it, only the container's next start.
pub struct Layer {
    /// Fields are dropped in this order: the lock goes when the overlay has gone.
    overlay: Option<OwnedFd>,
    _lock: OwnedFd,
}

impl Layer {
    /// Waits until the overlay of the run before has gone.
    pub fn claim(root: &Root) -> Outcome<Self> {
        let work = open(&root.work, libc::O_RDONLY | libc::O_DIRECTORY).at("open", &root.work)?;
        lock(work.as_fd()).at("flock", &root.work)?;
        Ok(Self { overlay: None, _lock: work })
    }

    /// Keeps the overlay, given by a descriptor of its root directory.
    pub fn hold(&mut self, root: Option<OwnedFd>) {
        self.overlay = root;
    }
}
