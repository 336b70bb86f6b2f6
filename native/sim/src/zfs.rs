//! Datasets and snapshots as libzfs_core knows them. The files of a dataset lie in a directory of the simulator's; a
//! snapshot is a copy of it, as is a clone of a snapshot.

use crate::errno::{Answer, EBUSY, EEXIST, EINVAL, EIO, ENOENT, ENOTEMPTY, EPERM, EXDEV, Errno};
use crate::process;
use crate::state::{Dataset, Kernel, dataset_files};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

/// Names end before this, sys/fs/zfs.h: ZFS_MAX_DATASET_NAME_LEN.
const NAME_LIMIT: usize = 256;

/// Where the files of a dataset or snapshot are.
pub fn files(name: &str) -> PathBuf {
    dataset_files().join(name.replace('/', "%"))
}

fn check(name: &str) -> Answer {
    let good =
        |part: &str| !part.is_empty() && part.chars().all(|one| one.is_ascii_alphanumeric() || "-_.: ".contains(one));
    if name.len() < NAME_LIMIT && name.split('/').all(good) { Ok(()) } else { Err(EINVAL) }
}

fn split(snapshot: &str) -> Answer<(&str, &str)> {
    let (dataset, name) = snapshot.split_once('@').ok_or(EINVAL)?;
    check(dataset)?;
    check(name)?;
    Ok((dataset, name))
}

fn pool(name: &str) -> &str {
    name.split(['/', '@']).next().unwrap_or(name)
}

fn new_place(kernel: &Kernel, name: &str) -> Answer {
    if process::own_jail() != 0 {
        return Err(EPERM);
    }
    check(name)?;
    if kernel.datasets.contains_key(name) {
        return Err(EEXIST);
    }
    let parent = name.rsplit_once('/').ok_or(EINVAL)?.0;
    if kernel.datasets.contains_key(parent) { Ok(()) } else { Err(ENOENT) }
}

pub fn exists(kernel: &Kernel, name: &str) -> bool {
    match name.split_once('@') {
        Some((dataset, snapshot)) => {
            kernel.datasets.get(dataset).is_some_and(|one| one.snapshots.iter().any(|one| one == snapshot))
        }
        None => kernel.datasets.contains_key(name),
    }
}

pub fn create(kernel: &mut Kernel, name: &str, properties: BTreeMap<String, String>) -> Answer {
    new_place(kernel, name)?;
    fs::create_dir_all(files(name)).map_err(|_| EIO)?;
    fs::set_permissions(files(name), fs::Permissions::from_mode(0o755)).map_err(|_| EIO)?;
    kernel.datasets.insert(name.into(), Dataset { properties, ..Dataset::default() });
    Ok(())
}

pub fn clone(kernel: &mut Kernel, name: &str, snapshot: &str, properties: BTreeMap<String, String>) -> Answer {
    new_place(kernel, name)?;
    split(snapshot)?;
    if pool(name) != pool(snapshot) {
        return Err(EXDEV);
    }
    if !exists(kernel, snapshot) {
        return Err(ENOENT);
    }
    copy(&files(snapshot), &files(name)).map_err(|_| EIO)?;
    kernel.datasets.insert(name.into(), Dataset { origin: Some(snapshot.into()), properties, ..Dataset::default() });
    Ok(())
}

/// All or none; gives the names that stood in the way.
pub fn snapshot(kernel: &mut Kernel, names: &[String]) -> Result<(), (Errno, Vec<String>)> {
    let one_pool = names.windows(2).all(|pair| pool(&pair[0]) == pool(&pair[1]));
    if !one_pool {
        return Err((EXDEV, Vec::new()));
    }
    for name in names {
        let (dataset, snapshot) = split(name).map_err(|errno| (errno, vec![name.clone()]))?;
        let known = kernel.datasets.get(dataset).ok_or_else(|| (ENOENT, vec![name.clone()]))?;
        if known.snapshots.iter().any(|one| one == snapshot) {
            return Err((EEXIST, vec![name.clone()]));
        }
    }
    for name in names {
        let (dataset, snapshot) = split(name).map_err(|errno| (errno, vec![name.clone()]))?;
        copy(&files(dataset), &files(name)).map_err(|_| (EIO, vec![name.clone()]))?;
        if let Some(known) = kernel.datasets.get_mut(dataset) {
            known.snapshots.push(snapshot.into());
        }
    }
    Ok(())
}

fn has_clones(kernel: &Kernel, snapshot: &str) -> bool {
    kernel.datasets.values().any(|one| one.origin.as_deref() == Some(snapshot))
}

pub fn destroy_snapshots(kernel: &mut Kernel, names: &[String], defer: bool) -> Result<(), (Errno, Vec<String>)> {
    for name in names {
        split(name).map_err(|errno| (errno, vec![name.clone()]))?;
        if has_clones(kernel, name) && !defer {
            return Err((EEXIST, vec![name.clone()]));
        }
    }
    for name in names {
        let (dataset, snapshot) = split(name).map_err(|errno| (errno, vec![name.clone()]))?;
        let cloned = has_clones(kernel, name);
        let Some(known) = kernel.datasets.get_mut(dataset) else { continue };
        if cloned {
            known.deferred.push(snapshot.into());
            continue;
        }
        known.snapshots.retain(|one| one != snapshot);
        known.deferred.retain(|one| one != snapshot);
        let _ = fs::remove_dir_all(files(name));
    }
    Ok(())
}

pub fn destroy(kernel: &mut Kernel, name: &str) -> Answer {
    if name.contains('@') {
        return destroy_snapshots(kernel, &[name.into()], false).map_err(|(errno, _)| errno);
    }
    let dataset = kernel.datasets.get(name).ok_or(ENOENT)?;
    if kernel.mounts.iter().any(|one| one.kind == "zfs" && one.source == name) {
        return Err(EBUSY);
    }
    let within = format!("{name}/");
    if !dataset.snapshots.is_empty() {
        return Err(EEXIST);
    }
    if kernel.datasets.keys().any(|one| one.starts_with(&within)) {
        return Err(ENOTEMPTY);
    }
    let origin = kernel.datasets.remove(name).and_then(|one| one.origin);
    let _ = fs::remove_dir_all(files(name));
    let Some(origin) = origin.filter(|origin| !has_clones(kernel, origin)) else { return Ok(()) };
    let (source, snapshot) = split(&origin)?;
    let deferred = kernel.datasets.get(source).is_some_and(|one| one.deferred.iter().any(|one| one == snapshot));
    if deferred {
        destroy_snapshots(kernel, std::slice::from_ref(&origin), false).map_err(|(errno, _)| errno)?;
    }
    Ok(())
}

pub fn rollback(kernel: &mut Kernel, name: &str, snapshot: &str) -> Answer {
    let (dataset, short) = split(snapshot)?;
    let known = kernel.datasets.get(name).ok_or(ENOENT)?;
    if dataset != name {
        return Err(EINVAL);
    }
    if !known.snapshots.iter().any(|one| one == short) {
        return Err(ENOENT);
    }
    if known.snapshots.last().is_none_or(|one| one != short) {
        return Err(EEXIST);
    }
    let place = files(name);
    for entry in fs::read_dir(&place).map_err(|_| EIO)?.flatten() {
        let path = entry.path();
        let gone = if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
        gone.map_err(|_| EIO)?;
    }
    copy(&files(snapshot), &place).map_err(|_| EIO)
}

/// Directories, files and links with modes and owners.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(from) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return fs::create_dir_all(to),
        Err(error) => return Err(error),
    };
    if metadata.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
    } else if metadata.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        fs::set_permissions(to, metadata.permissions())?;
    } else if metadata.is_file() {
        fs::copy(from, to)?;
    }
    lchown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    if metadata.is_file() { fs::set_permissions(to, metadata.permissions()) } else { Ok(()) }
}
