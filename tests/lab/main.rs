//! Conversations with real servers. `tests/run` starts them and runs these tests with the rest.
//!
//! Each test talks to Apache over http and then over https, those of `http2` by HTTP/2 too. What the server saw is read from its
//! access log, where the query of the request's target tells the tests apart.

#[cfg(unix)]
mod any_client;
mod bindings;
mod bodies;
mod clients;
mod connections;
mod digest;
#[cfg(unix)]
mod digest_strict;
#[cfg(unix)]
mod embedded;
#[cfg(unix)]
mod environment;
#[cfg(unix)]
mod foreign_clients;
mod forwarding;
mod http2;
#[cfg(unix)]
mod iakerb;
#[cfg(unix)]
mod kerberos;
mod logins;
#[cfg(unix)]
mod own_kerberos;
mod proxies;
mod recordings;
mod refusals;
mod squid;
#[cfg(windows)]
mod sspi;
mod support;
#[path = "../it/tapped.rs"]
mod tapped;
#[cfg(unix)]
mod verdicts;
