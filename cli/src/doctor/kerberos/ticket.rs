//! A ticket for the server, by the ticket at hand. It is asked for, and shown to nobody.

use std::time::Duration;

use legwork::mechanism::{ErrorKind, MechanismError};

use crate::doctor::facts::{NoTicket, Ticket};

/// The library's name, or why there is none.
#[cfg(unix)]
pub(super) fn library() -> Result<String, String> {
    legwork::mechanism::gssapi::Gssapi::kerberos().open().map_err(|error| error.to_string())
}

#[cfg(not(unix))]
pub(super) fn library() -> Result<String, String> {
    Err("on this system, only a login (--ticket) shows whether there is a ticket".to_owned())
}

/// Has the system's library get a ticket for a server.
pub(super) async fn ask(target_name: &str, timeout: Duration) -> Ticket {
    let (tell, told) = tokio::sync::oneshot::channel();
    let name = target_name.to_owned();
    // A thread of its own, which the program need not wait for: the library may wait for minutes.
    std::thread::spawn(move || tell.send(granted(&name)));
    let granted = match tokio::time::timeout(timeout, told).await {
        Ok(Ok(granted)) => granted,
        Ok(Err(_)) => Err(MechanismError::new(ErrorKind::Unavailable, "the system's library has failed")),
        Err(_) => {
            let words = format!("no answer from a KDC within {} s", timeout.as_secs_f64());
            Err(MechanismError::new(ErrorKind::Timeout, words))
        }
    };
    let target_name = target_name.to_owned();
    match granted {
        Ok(principal) => Ticket { target_name, granted: true, principal, error: None, reason: None },
        Err(error) => {
            let reason = Some(reason(&error));
            Ticket { target_name, granted: false, principal: None, error: Some(error.to_string()), reason }
        }
    }
}

/// Tells whose ticket it is.
#[cfg(unix)]
fn granted(target_name: &str) -> Result<Option<String>, MechanismError> {
    use legwork::Credentials;
    use legwork::credentials::Ambient;
    use legwork::mechanism::gssapi::Gssapi;
    use legwork::mechanism::{Initiate, Mechanism, Moments, MutualAuthentication, Step};
    use legwork::unversioned::handshake::SystemMoments;

    // Without an answer to wait for, the first step is the last one and tells who it is.
    let arguments = Initiate::new(target_name, Credentials::ambient(Ambient::new()))
        .with_mutual_authentication(MutualAuthentication::Off);
    match Gssapi::kerberos().initiate(arguments, SystemMoments.moment()?).step(None)? {
        Step::Complete { established, .. } => Ok(established.principal),
        _ => Ok(None),
    }
}

#[cfg(not(unix))]
fn granted(_: &str) -> Result<Option<String>, MechanismError> {
    Err(MechanismError::new(ErrorKind::Unavailable, "this system's own tickets cannot be looked at"))
}

/// What is behind an error: the library of this workspace says it in words.
fn reason(error: &MechanismError) -> NoTicket {
    let words = error.to_string();
    match error.kind() {
        ErrorKind::Timeout => NoTicket::Timeout,
        _ if words.starts_with("no ticket") => NoTicket::NoCredentials,
        _ if words.contains("has expired") => NoTicket::Expired,
        _ if words.starts_with("server not found") => NoTicket::UnknownService,
        _ if words.starts_with("clock skew") => NoTicket::ClockSkew,
        _ if words.starts_with("no KDC is known") => NoTicket::UnknownRealm,
        _ if words.starts_with("no KDC answers") => NoTicket::NoKdc,
        ErrorKind::Unavailable => NoTicket::NoLibrary,
        _ => NoTicket::Other,
    }
}
