//! What legs go over: one connection over HTTP/1.1, or a branch of one over HTTP/2.

pub(super) mod http1;
#[cfg(feature = "http2")]
pub(super) mod http2;
mod hyper_connection;
pub(super) mod interim;
pub(super) mod to_proxy;

pub(super) use hyper_connection::HyperConnection;
