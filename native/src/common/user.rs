//! Who a process of the container runs as: passwd(5) and group(5) of the container, read without the host's name
//! service. Numbers need no entry.

use crate::failure::{At, Failure, Outcome};
use std::fs::File;
use std::io::{self, Error, Read};

/// Files larger than this are not read: the container could make the supervisor run out of memory.
const LIMIT: u64 = 4 << 20;

#[derive(Debug, PartialEq)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups, the group itself first: up to FreeBSD 14 the first one is the effective group, which is then
    /// set again, and would be lost were it another.
    pub groups: Vec<u32>,
    pub home: String,
    pub shell: String,
}

/// Looks `user` (`name`, `uid`, `name:group`, `uid:gid`) up in the files below the current root, as `open` opens them.
pub fn find_account(user: &str, open: impl Fn(&str) -> io::Result<File>) -> Outcome<Account> {
    let passwd = read_whole(open("/etc/passwd")).at("read", "/etc/passwd")?;
    let group = read_whole(open("/etc/group")).at("read", "/etc/group")?;
    resolve(user, &passwd, &group).map_err(|detail| Failure::refusal("user", user, detail))
}

/// Empty when there is no such file. What is no file, such as a FIFO, is refused.
fn read_whole(opened: io::Result<File>) -> io::Result<String> {
    let file = match opened {
        Ok(file) => file,
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Error::from_raw_os_error(libc::EINVAL));
    }
    if metadata.len() > LIMIT {
        return Err(Error::from_raw_os_error(libc::EFBIG));
    }
    let mut bytes = Vec::new();
    file.take(LIMIT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn resolve(user: &str, passwd: &str, group: &str) -> Result<Account, &'static str> {
    let (user, wanted_group) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (user, None),
    };
    let mut account = find_user(user, passwd).ok_or("no such user in the container's /etc/passwd")?;
    if let Some(wanted) = wanted_group {
        account.gid = find_group(wanted, group).ok_or("no such group in the container's /etc/group")?;
        account.groups = vec![account.gid];
    } else {
        account.groups = groups_of(&account.name, account.gid, group);
    }
    Ok(account)
}

fn find_user(user: &str, passwd: &str) -> Option<Account> {
    let accounts = || passwd.lines().filter_map(parse_account);
    if let Some(account) = accounts().find(|account| account.name == user) {
        return Some(account);
    }
    let uid = if user == "root" { 0 } else { parse_id(user)? };
    let unlisted = || Account {
        name: user.into(),
        uid,
        gid: 0,
        groups: Vec::new(),
        home: if uid == 0 { "/root" } else { "/" }.into(),
        shell: "/bin/sh".into(),
    };
    Some(accounts().find(|account| account.uid == uid).unwrap_or_else(unlisted))
}

/// `name:password:uid:gid:comment:home:shell`
fn parse_account(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let uid = parse_id(fields.nth(1)?)?;
    let gid = parse_id(fields.next()?)?;
    let home = fields.nth(1).filter(|home| !home.is_empty()).unwrap_or("/");
    let shell = fields.next().filter(|shell| !shell.is_empty()).unwrap_or("/bin/sh");
    Some(Account { name: name.into(), uid, gid, groups: Vec::new(), home: home.into(), shell: shell.into() })
}

/// `name:password:gid:member,member`
fn parse_group(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let gid = parse_id(fields.nth(1)?)?;
    Some((name, gid, fields.next().unwrap_or("")))
}

fn find_group(wanted: &str, group: &str) -> Option<u32> {
    let listed = group.lines().filter_map(parse_group).find(|(name, ..)| *name == wanted);
    listed.map(|(_, gid, _)| gid).or_else(|| parse_id(wanted))
}

fn groups_of(user: &str, gid: u32, group: &str) -> Vec<u32> {
    let mut groups = vec![gid];
    for (_, gid, members) in group.lines().filter_map(parse_group) {
        if members.split(',').any(|member| member.trim() == user) && !groups.contains(&gid) {
            groups.push(gid);
        }
    }
    groups
}

/// -1 means "unchanged" to setuid's relatives and is no id; a sign is no digit.
fn parse_id(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?.filter(|id| *id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/ash\n# comment\nbroken\nweb:x:80:81::/srv/www:\nodd:x:-1:0::/:/x\n";
    const GROUP: &str = "root:x:0:\nwww:x:81:\nlog:x:4:web,other\ntape:x:26: web\n";

    #[test]
    fn a_name_brings_its_groups() {
        let account = resolve("web", PASSWD, GROUP).unwrap();
        assert_eq!((account.uid, account.gid, account.groups), (80, 81, vec![81, 4, 26]));
        assert_eq!((account.home.as_str(), account.shell.as_str()), ("/srv/www", "/bin/sh"));
    }

    #[test]
    fn a_number_finds_its_entry_or_needs_none() {
        assert_eq!(resolve("80", PASSWD, GROUP).unwrap().name, "web");
        let unlisted = resolve("4000", PASSWD, GROUP).unwrap();
        assert_eq!((unlisted.uid, unlisted.gid, unlisted.groups), (4000, 0, vec![0]));
        assert_eq!((unlisted.home.as_str(), unlisted.shell.as_str()), ("/", "/bin/sh"));
    }

    #[test]
    fn a_given_group_replaces_all_others() {
        let account = resolve("web:log", PASSWD, GROUP).unwrap();
        assert_eq!((account.gid, account.groups), (4, vec![4]));
        assert_eq!(resolve("12:34", PASSWD, GROUP).unwrap().gid, 34);
    }

    #[test]
    fn root_needs_no_files() {
        let account = resolve("root", "", "").unwrap();
        assert_eq!((account.uid, account.gid, account.home.as_str()), (0, 0, "/root"));
    }

    #[test]
    fn who_is_not_there_is_refused() {
        for user in ["nobody", "", "web:nogroup", "-1", "4294967295", "4294967296", "odd", "+5", "root:"] {
            assert!(resolve(user, PASSWD, GROUP).is_err(), "{user}");
        }
    }
}
