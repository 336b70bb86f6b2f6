//! Address families, sys/socket.h.

pub const AF_INET: i32 = 2;
pub const AF_INET6: i32 = 28;
