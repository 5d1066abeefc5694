//! Kerberos: a KDC, and what its tickets are shown to.

mod core;
mod fault;
mod kdc;
mod readings;
mod report;
mod service;
mod sockets;

pub use self::fault::KdcFault;
pub use self::kdc::{Kdc, KdcBuilder};
pub use self::readings::kerberos_readings;
pub use self::report::KdcReport;
pub use self::service::{IakerbAcceptor, KerberosAcceptor, KerberosService};
pub use crate::mechanism::kerberos::server::AccountState;
