//! What the program `legwork` reads of others: cookies and URLs of origins behind its gateway, the system's `krb5.conf` and
//! ticket caches. A program is no library, so its files are included here.

pub mod ccache;
pub mod cookies;
pub mod krb5_conf;
pub mod names;

#[allow(dead_code, reason = "not all that the program uses is checked here")]
mod files;
