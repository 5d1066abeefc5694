//! What legs go over: one connection over HTTP/1.1, or a branch of one over HTTP/2.

pub(super) mod http1;
#[cfg(feature = "http2")]
pub(super) mod http2;
pub(super) mod interim;
mod leaf;
pub(super) mod to_proxy;

pub(super) use leaf::Connection;
