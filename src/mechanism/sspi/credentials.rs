//! Credentials of the system, made of those that the caller holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::credentials::{Ambient, Credentials, Secret};
use crate::mechanism::sspi::library::{Credential, Identity, Package, Text};
use crate::mechanism::sspi::status::{self, Attempt};
use crate::mechanism::{ErrorKind, MechanismError};

/// How many users' credentials are kept.
const MAX_KEPT: usize = 1024;

/// The credentials that passwords have made. The system keeps the tickets that it gets with a
/// credential beside it, so that another login needs none.
#[derive(Default)]
pub(super) struct Kept(Mutex<HashMap<Credentials, Arc<Credential>>>);

impl Kept {
    /// The system's credentials for the caller's. Asks nobody on the network.
    pub(super) fn acquire(
        &self,
        package: Package,
        attempt: &Attempt<'_>,
    ) -> Result<Arc<Credential>, MechanismError> {
        let credentials = attempt.credentials;
        if let Some(ambient) = credentials.as_ambient() {
            return acquire_ambient(package, ambient, attempt).map(Arc::new);
        }
        let Some((username, password)) = credentials.as_password() else {
            return Err(MechanismError::new(ErrorKind::Credentials, "SSPI cannot use these credentials"));
        };
        let mut table = self.lock();
        if let Some(kept) = table.get(credentials) {
            return Ok(Arc::clone(kept));
        }
        let identity = identity(username, password)?;
        let made = Credential::acquire(package, Some(&identity))
            .map(Arc::new)
            .map_err(|failure| status::explain(failure, attempt))?;
        if table.len() >= MAX_KEPT {
            let one = table.keys().next().cloned();
            if let Some(one) = one {
                table.remove(&one);
            }
        }
        table.insert(credentials.clone(), Arc::clone(&made));
        Ok(made)
    }

    pub(super) fn forget(&self, credentials: &Credentials) {
        self.lock().remove(credentials);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Credentials, Arc<Credential>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The logged-on user's, who is asked for anew each time: another one may be logged on by now.
fn acquire_ambient(
    package: Package,
    ambient: &Ambient,
    attempt: &Attempt<'_>,
) -> Result<Credential, MechanismError> {
    if ambient.cache_name().is_some() || ambient.client_keytab_name().is_some() {
        return Err(MechanismError::new(
            ErrorKind::Credentials,
            "Windows keeps tickets by logon session: it takes no ticket cache or keytab",
        ));
    }
    let credential =
        Credential::acquire(package, None).map_err(|failure| status::explain(failure, attempt))?;
    if let Some(wanted) = ambient.principal_name() {
        check_user(wanted, credential.name().as_deref())?;
    }
    Ok(credential)
}

/// Names count without regard to case, in the form in which the system gives them.
fn check_user(wanted: &str, logged_on: Option<&str>) -> Result<(), MechanismError> {
    match logged_on {
        Some(user) if user.to_lowercase() == wanted.to_lowercase() => Ok(()),
        Some(user) => Err(MechanismError::new(
            ErrorKind::Credentials,
            format!("{wanted} is to log in, but the logged-on user is {user}"),
        )),
        None => Err(MechanismError::new(
            ErrorKind::Credentials,
            format!("{wanted} is to log in, but the system does not say who is logged on"),
        )),
    }
}

/// `DOMAIN\user` in two parts; every other form is a user without a domain, `user@domain` too.
fn identity(username: &str, password: &Secret) -> Result<Identity, MechanismError> {
    let (domain, user) = username.split_once('\\').unwrap_or(("", username));
    check(user, domain, password)?;
    Ok(Identity { user: Text::new(user), domain: Text::new(domain), password: Text::new(password.expose()) })
}

/// An identity's empty parts can stand for the logged-on user's, and a NUL for the end: neither is
/// what the caller said.
fn check(user: &str, domain: &str, password: &Secret) -> Result<(), MechanismError> {
    let wrong = if user.is_empty() {
        "the user name is empty"
    } else if password.expose().is_empty() {
        "the password is empty"
    } else if [user, domain, password.expose()].iter().any(|text| text.contains('\0')) {
        "the user name or the password has a NUL character"
    } else {
        return Ok(());
    };
    Err(MechanismError::new(ErrorKind::Credentials, wrong))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mechanism::sspi::library::held;

    #[test]
    fn what_a_password_has_made_is_kept_for_the_next_login_and_bounded_in_number() {
        let before = held::count();
        let kept = Kept::default();
        let acquire = |number: usize| {
            let credentials = Credentials::password(format!("LAB\\user{number}"), "pw");
            let attempt = Attempt { target_name: "HTTP/host", credentials: &credentials };
            kept.acquire(Package::Ntlm, &attempt).expect("a handle")
        };
        assert!(Arc::ptr_eq(&acquire(0), &acquire(0)));
        for number in 0..MAX_KEPT + 10 {
            acquire(number);
        }
        assert_eq!(held::count(), before + MAX_KEPT as isize);
        kept.forget(&Credentials::password("LAB\\user0", "another-pw"));
        drop(kept);
        assert_eq!(held::count(), before);
    }

    #[test]
    fn what_could_stand_for_somebody_else_is_refused() {
        for (username, password) in
            [("", "pw"), ("LAB\\", "pw"), ("alice", ""), ("alice", "pass\0word"), ("LAB\\al\0ice", "pw")]
        {
            let error = identity(username, &Secret::new(password)).err().expect("refused");
            assert_eq!(error.kind(), ErrorKind::Credentials);
        }
        for username in ["alice", "LAB\\alice", "alice@lab.test"] {
            assert!(identity(username, &Secret::new("pw")).is_ok(), "{username}");
        }
    }

    #[test]
    fn a_principal_is_the_logged_on_user_or_nobody() {
        assert_eq!(check_user("alice@corp.example", Some("Alice@CORP.EXAMPLE")), Ok(()));
        let error = check_user("alice@corp.example", Some("CORP\\bob")).expect_err("another one");
        assert!(error.to_string().contains("the logged-on user is CORP\\bob"), "{error}");
        assert!(check_user("alice@corp.example", None).is_err());
    }

    #[test]
    fn a_cache_and_a_keytab_are_not_passed_over_in_silence() {
        for ambient in [Ambient::new().cache("FILE:C:\\cc"), Ambient::new().client_keytab("FILE:C:\\keys")] {
            let credentials = Credentials::ambient(ambient);
            let attempt = Attempt { target_name: "HTTP/host", credentials: &credentials };
            let error = Kept::default().acquire(Package::Negotiate, &attempt).err().expect("refused");
            assert!(error.to_string().contains("no ticket cache or keytab"), "{error}");
        }
    }
}
