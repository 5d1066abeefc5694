//! Credentials of the library, made of those that the caller holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::credentials::{Ambient, Credentials, Secret};
use crate::mechanism::gssapi::library::{AcquireError, Credential, Library, Name, Oid, Store};
use crate::mechanism::gssapi::status::{self, Attempt};
use crate::mechanism::{ErrorKind, MechanismError};

/// How many users' tickets are kept.
const MAX_KEPT: usize = 1024;
/// Tickets with less than this left are replaced.
const MARGIN: Duration = Duration::from_secs(60);

/// The tickets that passwords have got. A credential of the library holds the ticket-granting
/// ticket, and collects those for servers.
#[derive(Default)]
pub(super) struct Tickets(Mutex<HashMap<Credentials, Kept>>);

struct Kept {
    credential: Arc<Credential>,
    until: SystemTime,
}

/// Credentials to begin a context with.
pub(super) struct Acquired {
    pub(super) credential: Arc<Credential>,
    /// Not acquired just now.
    pub(super) was_kept: bool,
}

impl Acquired {
    /// Whose they are; known once a context has been begun with them.
    pub(super) fn principal(&mut self) -> Option<String> {
        self.credential.principal()
    }
}

impl Tickets {
    /// Asks a KDC where a password is new here.
    pub(super) fn acquire(
        &self,
        library: &Arc<Library>,
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<Acquired, MechanismError> {
        if let Some(ambient) = credentials.as_ambient() {
            let credential =
                acquire_ambient(library, ambient).map_err(|error| explain(error, credentials))?;
            return Ok(Acquired { credential: Arc::new(credential), was_kept: false });
        }
        let Some((username, password)) = credentials.as_password() else {
            return Err(MechanismError::new(ErrorKind::Credentials, "Kerberos cannot use these credentials"));
        };
        if let Some(credential) = self.kept(credentials, now) {
            return Ok(Acquired { credential, was_kept: true });
        }
        let credential =
            Arc::new(acquire_by_password(library, &principal(username)?, password, credentials)?);
        let lifetime = Duration::from_secs(u64::from(credential.lifetime));
        // A moment beyond what the clock can hold is one at which nothing is kept.
        if let Some(until) = now.checked_add(lifetime) {
            self.keep(credentials.clone(), Kept { credential: Arc::clone(&credential), until }, now);
        }
        Ok(Acquired { credential, was_kept: false })
    }

    pub(super) fn forget(&self, credentials: &Credentials) {
        self.lock().remove(credentials);
    }

    fn kept(&self, credentials: &Credentials, now: SystemTime) -> Option<Arc<Credential>> {
        let mut table = self.lock();
        let kept = table.get(credentials)?;
        if kept.until < now + MARGIN {
            table.remove(credentials);
            return None;
        }
        Some(Arc::clone(&kept.credential))
    }

    fn keep(&self, credentials: Credentials, kept: Kept, now: SystemTime) {
        let mut table = self.lock();
        if table.len() >= MAX_KEPT {
            table.retain(|_, kept| kept.until > now);
        }
        if table.len() >= MAX_KEPT {
            let first = table.iter().min_by_key(|(_, kept)| kept.until).map(|(first, _)| first.clone());
            if let Some(first) = first {
                table.remove(&first);
            }
        }
        table.insert(credentials, kept);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Credentials, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn acquire_ambient(library: &Arc<Library>, ambient: &Ambient) -> Result<Credential, AcquireError> {
    let name = ambient.principal_name().map(|name| Name::import(library, name, Oid::KERBEROS_PRINCIPAL));
    let name = name.transpose().map_err(AcquireError::Failed)?;
    let (cache, client_keytab) = (ambient.cache_name(), ambient.client_keytab_name());
    if cache.is_none() && client_keytab.is_none() {
        return Credential::acquire(library, name.as_ref(), Oid::KERBEROS);
    }
    let store = Store {
        // The tickets that a keytab gets must not land in the user's own cache.
        cache: cache.map(str::to_owned).or_else(|| client_keytab.map(|keytab| cache_of(keytab, ambient))),
        client_keytab: client_keytab.map(str::to_owned),
    };
    Credential::acquire_from(library, name.as_ref(), &store, Oid::KERBEROS)
}

/// A cache in memory, the same one for each login by this keytab.
fn cache_of(keytab: &str, ambient: &Ambient) -> String {
    format!("MEMORY:legwork {keytab} {}", ambient.principal_name().unwrap_or_default())
}

fn acquire_by_password(
    library: &Arc<Library>,
    principal: &str,
    password: &Secret,
    credentials: &Credentials,
) -> Result<Credential, MechanismError> {
    check_octets(principal, password)?;
    let name = Name::import(library, principal, Oid::USER_NAME)
        .map_err(|failure| explain(AcquireError::Failed(failure), credentials))?;
    // With the mechanism Kerberos, whatever the context's: SPNEGO says "invalid name" to a wrong
    // password.
    Credential::acquire_with_password(library, &name, password.expose(), Oid::KERBEROS)
        .map_err(|error| explain(error, credentials))
}

/// The library takes both for text that ends at the first NUL: what follows would not count.
fn check_octets(principal: &str, password: &Secret) -> Result<(), MechanismError> {
    let wrong = if password.expose().is_empty() {
        "the password is empty"
    } else if password.expose().contains('\0') {
        "the password has a NUL octet"
    } else if principal.contains('\0') {
        "the user name has a NUL octet"
    } else {
        return Ok(());
    };
    Err(MechanismError::new(ErrorKind::Credentials, wrong))
}

/// The principal that a user name stands for.
fn principal(username: &str) -> Result<String, MechanismError> {
    if let Some((domain, user)) = username.split_once('\\') {
        if !domain.contains('.') {
            return Err(MechanismError::new(
                ErrorKind::Credentials,
                format!("{username} names a NetBIOS domain; Kerberos wants user@REALM"),
            ));
        }
        return Ok(format!("{user}@{}", domain.to_uppercase()));
    }
    Ok(match username.rsplit_once('@') {
        Some((user, realm)) => format!("{user}@{}", realm.to_uppercase()),
        None => username.to_owned(),
    })
}

fn explain(error: AcquireError, credentials: &Credentials) -> MechanismError {
    match error {
        AcquireError::Failed(failure) => status::explain(&failure, &Attempt { target_name: "", credentials }),
        AcquireError::Unsupported(what) => {
            MechanismError::new(ErrorKind::Unavailable, format!("this GSS-API library cannot take {what}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_would_cut_off_is_refused() {
        for (principal, password) in
            [("alice", ""), ("alice", "pass\0word"), ("alice\0@LAB.TEST", "password")]
        {
            let error = check_octets(principal, &Secret::new(password)).expect_err("not for this library");
            assert_eq!(error.kind(), ErrorKind::Credentials);
        }
        assert!(check_octets("alice", &Secret::new("password")).is_ok());
    }

    #[test]
    fn user_names_become_principals() {
        assert_eq!(principal("alice").expect("a name"), "alice");
        assert_eq!(principal("alice@lab.test").expect("a name"), "alice@LAB.TEST");
        assert_eq!(principal("lab.test\\alice").expect("a name"), "alice@LAB.TEST");
        let error = principal("LAB\\alice").expect_err("no realm");
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert!(error.to_string().contains("user@REALM"), "{error}");
    }
}
