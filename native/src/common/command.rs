//! Becoming the user and the program that a command asks for.

use super::sys::{check, text};
use super::user::Account;
use crate::failure::{At, Outcome};
use std::convert::Infallible;
use std::ffi::CString;
use std::io::{self, Error};
use std::ptr::null;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program with its arguments and environment, in the kernel's form.
pub struct Program {
    argv: Vec<CString>,
    env: Vec<CString>,
    path: String,
}

impl Program {
    pub fn new(argv: &[String], env: &[String], account: &Account) -> Outcome<Self> {
        let strings = |list: &[String]| list.iter().map(|one| text(one)).collect::<io::Result<Vec<_>>>();
        let variables = environment(env, account);
        Ok(Self {
            argv: strings(argv).at("execve", "argv")?,
            env: strings(&variables).at("execve", "environment")?,
            path: search_path(&variables).to_owned(),
        })
    }

    /// Returns only when it failed.
    pub fn execute(&self) -> Outcome<Infallible> {
        let name = self.argv.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Err(execute(&self.argv, &self.env, &self.path)).at("execve", name)
    }
}

/// Group rights first: without uid 0 they could not be changed any more. `set_groups` gives the process its supplementary
/// groups, setgroups(2).
pub fn become_account(account: &Account, set_groups: impl Fn(&[libc::gid_t]) -> libc::c_int) -> Outcome<()> {
    let (uid, gid) = (account.uid, account.gid);
    check(set_groups(&account.groups).into()).at("setgroups", &account.name)?;
    // SAFETY: no pointers.
    check(unsafe { libc::setresgid(gid, gid, gid) }.into()).at("setresgid", gid)?;
    // SAFETY: no pointers.
    check(unsafe { libc::setresuid(uid, uid, uid) }.into()).at("setresuid", uid)?;
    Ok(())
}

/// Goes to where the user's program starts, with the user's rights: what is asked for must be there, a home need not be.
pub fn enter_directory(asked: Option<&str>, account: &Account) -> Outcome<()> {
    if let Some(directory) = asked {
        return std::env::set_current_dir(directory).at("chdir", directory);
    }
    std::env::set_current_dir(&account.home).or_else(|_| std::env::set_current_dir("/")).at("chdir", "/")
}

/// The given variables, with what the container's passwd file says of the user where they leave it open.
fn environment(given: &[String], account: &Account) -> Vec<String> {
    let mut env = given.to_vec();
    for (name, value) in [("HOME", &account.home), ("SHELL", &account.shell), ("USER", &account.name)] {
        if variable(given, name).is_none() {
            env.push(format!("{name}={value}"));
        }
    }
    env
}

fn variable<'a>(env: &'a [String], name: &str) -> Option<&'a str> {
    env.iter().find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))
}

fn search_path(env: &[String]) -> &str {
    variable(env, "PATH").unwrap_or(DEFAULT_PATH)
}

/// execve(2) with the search of execvp(3). Returns only when it failed.
fn execute(argv: &[CString], env: &[CString], path: &str) -> io::Error {
    let Some(name) = argv.first().filter(|name| !name.is_empty()) else {
        return Error::from_raw_os_error(libc::ENOENT);
    };
    let argv: Vec<_> = argv.iter().map(|word| word.as_ptr()).chain([null()]).collect();
    let env: Vec<_> = env.iter().map(|entry| entry.as_ptr()).chain([null()]).collect();
    let execve = |file: &CString| {
        // SAFETY: file is a C string, and both arrays of live C strings end with null.
        unsafe { libc::execve(file.as_ptr(), argv.as_ptr(), env.as_ptr()) };
        Error::last_os_error()
    };
    if name.as_bytes().contains(&b'/') {
        return execve(name);
    }
    let mut failure = Error::from_raw_os_error(libc::ENOENT);
    for directory in path.split(':') {
        let directory = if directory.is_empty() { "." } else { directory };
        let Ok(file) = CString::new([directory.as_bytes(), b"/", name.as_bytes()].concat()) else { continue };
        match execve(&file) {
            error if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => {}
            // Found, but not to be executed; another directory may still have one that is.
            error if error.raw_os_error() == Some(libc::EACCES) => failure = error,
            error => return error,
        }
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account { name: "web".into(), uid: 80, gid: 81, groups: vec![], home: "/srv".into(), shell: "/bin/ash".into() }
    }

    #[test]
    fn what_is_given_is_kept() {
        let given = ["HOME=/x".to_string(), "USERS=9".to_string()];
        assert_eq!(environment(&given, &account()), ["HOME=/x", "USERS=9", "SHELL=/bin/ash", "USER=web"]);
    }

    #[test]
    fn the_path_is_the_given_one() {
        assert_eq!(search_path(&["PATHS=/a".into(), "PATH=/b".into()]), "/b");
        assert_eq!(search_path(&[]), DEFAULT_PATH);
    }
}
