//! Conversations over sockets: the client against the embedded server, which reports what each
//! connection carried.

mod bodies;
mod cancel;
mod challenges;
mod closing;
mod content;
mod cookies;
mod credentials;
mod digest;
mod errors;
mod every_poll;
mod expect;
mod fairness;
mod hostile;
mod https;
mod identity;
mod kerberos;
mod lanes;
mod layer;
mod leaf;
mod legacy;
mod logging_out;
mod login;
mod many;
mod old_proxies;
mod pool;
mod proxies;
mod proxy;
mod redirects;
mod scram;
mod spans;
#[cfg(windows)]
mod sspi;
mod support;
mod tapped;
mod tickets;
mod timeouts;
mod tokens;
mod tunnel;
mod upgrades;
mod userinfo;
mod verdicts;
mod watching;
mod wire;
mod withheld;
