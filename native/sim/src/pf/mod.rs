//! The packet filter, pf(4): `ioctl` takes the requests of /dev/pf.
use crate::errno::{Answer, ENODEV};
use serde::{Deserialize, Serialize};
pub const DIOCSTART: u64 = 0x2000_4401;
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Pf {}
pub struct Host {
    pub release: u32,
    pub interfaces: Vec<Interface>,
}
pub struct Interface {
    pub name: String,
    pub groups: Vec<String>,
    pub addresses: Vec<std::net::IpAddr>,
}
pub fn ioctl(_pf: &mut Pf, _host: &Host, _request: u64, _argument: u64) -> Answer {
    Err(ENODEV)
}
pub fn packet(_pf: &mut Pf, _host: &Host, _json: &str) -> String {
    String::new()
}
