//! The packet filter, pf(4): `ioctl` takes the requests of /dev/pf.
