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
/// How long credentials for IAKERB are kept. They have no ticket at first, and so no end; the library
/// gets each ticket in its time, and the next one before it ends.
const KEPT_FOR_IAKERB: Duration = Duration::from_secs(10 * 60 * 60);

/// The tickets that passwords have got. A credential of the library holds the ticket-granting
/// ticket, and collects those for servers. All of them serve the one mechanism of the `Gssapi` that
/// owns this table, so the user and the password are key enough.
#[derive(Default)]
pub(super) struct Tickets(Mutex<HashMap<Credentials, KeptCredential>>);

struct KeptCredential {
    credential: Arc<Credential>,
    until: SystemTime,
}

/// Credentials to begin a context with.
pub(super) struct Acquired {
    pub(super) credential: Arc<Credential>,
    /// Not acquired just now.
    pub(super) was_kept: bool,
}

/// For which context credentials are to be.
#[derive(Clone, Copy)]
pub(super) struct WantedCredential {
    pub(super) mechanism: Oid,
    /// NTLM, which a plugin of the library's SPNEGO may have, is an error.
    pub(super) shuts_ntlm_out: bool,
}

impl Tickets {
    /// Credentials for a context of this mechanism. Asks a KDC where a password is new here, but for
    /// IAKERB, whose context asks it.
    pub(super) fn acquire(
        &self,
        library: &Arc<Library>,
        credentials: &Credentials,
        wanted: WantedCredential,
        now: SystemTime,
    ) -> Result<Acquired, MechanismError> {
        let mechanism = wanted.mechanism;
        if let Some(ambient) = credentials.as_ambient() {
            let found =
                find_ambient(library, ambient, mechanism).map_err(|error| explain(error, credentials))?;
            let credential = found.for_context(wanted, credentials)?;
            return Ok(Acquired { credential: Arc::new(credential), was_kept: false });
        }
        let Some((username, password)) = credentials.as_password() else {
            return Err(MechanismError::new(ErrorKind::Credentials, "Kerberos cannot use these credentials"));
        };
        if let Some(credential) = self.kept(credentials, now) {
            return Ok(Acquired { credential, was_kept: true });
        }
        let found = find_by_password(library, &principal(username)?, password, credentials, mechanism)?;
        let lifetime = match mechanism {
            Oid::IAKERB => KEPT_FOR_IAKERB,
            _ => Duration::from_secs(u64::from(found.credential.lifetime)),
        };
        let credential = Arc::new(found.for_context(wanted, credentials)?);
        // A moment beyond what the clock can hold is one at which nothing is kept.
        if let Some(until) = now.checked_add(lifetime) {
            self.keep(
                credentials.clone(),
                KeptCredential { credential: Arc::clone(&credential), until },
                now,
            );
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

    fn keep(&self, credentials: Credentials, kept: KeptCredential, now: SystemTime) {
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

    fn lock(&self) -> MutexGuard<'_, HashMap<Credentials, KeptCredential>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the library gets credentials from.
enum Source<'a> {
    /// The default cache and keytab.
    Default,
    Store(Store),
    Password(&'a Secret),
}

impl Source<'_> {
    fn acquire(
        &self,
        library: &Arc<Library>,
        name: Option<&Name>,
        mechanism: Oid,
    ) -> Result<Credential, AcquireError> {
        match self {
            Self::Default => Credential::acquire(library, name, mechanism),
            Self::Store(store) => Credential::acquire_from(library, name, store, mechanism),
            Self::Password(password) => {
                Credential::acquire_with_password(library, name, password.expose(), mechanism)
            }
        }
    }
}

/// Credentials for [Kerberos or IAKERB](to_look_for), and where they came from.
struct Found<'a> {
    library: &'a Arc<Library>,
    credential: Credential,
    source: Source<'a>,
}

impl Found<'_> {
    /// Makes them fit for a context of this mechanism; the owner stays the same.
    ///
    /// SPNEGO finds nothing for itself in credentials that were acquired only for Kerberos. MIT's
    /// does not fail then: it logs in as the owner of the default cache.
    fn for_context(
        self,
        wanted: WantedCredential,
        credentials: &Credentials,
    ) -> Result<Credential, MechanismError> {
        let mechanism = wanted.mechanism;
        let Self { library, credential, source } = self;
        if mechanism == to_look_for(mechanism) {
            return Ok(credential);
        }
        let failed = |error| explain(error, credentials);
        if credentials.as_ambient().is_some_and(Ambient::is_default) && !wanted.shuts_ntlm_out {
            // Not asked for their owner: the target has yet to choose among the caches.
            return source.acquire(library, None, mechanism).map_err(failed);
        }
        // The owner's name is of Kerberos' own kind. NTLM does not take it, and so stays out of
        // SPNEGO's list: its user might be another one.
        let owner = credential.owner().map_err(AcquireError::Failed).map_err(failed)?;
        let credential = source.acquire(library, Some(&owner), mechanism).map_err(explain_spnego)?;
        status::check_same(owner.display().as_deref(), credential.principal().as_deref())?;
        Ok(credential)
    }
}

/// The mechanism for which credentials for a context of this one are looked for at first: Kerberos, whatever
/// is around it. IAKERB's, acquired for Kerberos, would ask a KDC.
fn to_look_for(mechanism: Oid) -> Oid {
    if mechanism == Oid::IAKERB { Oid::IAKERB } else { Oid::KERBEROS }
}

fn find_ambient<'a>(
    library: &'a Arc<Library>,
    ambient: &Ambient,
    mechanism: Oid,
) -> Result<Found<'a>, AcquireError> {
    let name = ambient.principal_name().map(|name| Name::import(library, name, Oid::KERBEROS_PRINCIPAL));
    let name = name.transpose().map_err(AcquireError::Failed)?;
    let (cache, client_keytab) = (ambient.cache_name(), ambient.client_keytab_name());
    let from = |source: Source<'static>| {
        let credential = source.acquire(library, name.as_ref(), to_look_for(mechanism))?;
        Ok(Found { library, credential, source })
    };
    if cache.is_none() && client_keytab.is_none() {
        return from(Source::Default);
    }
    let store = |cache: Option<String>| {
        Source::Store(Store { cache, client_keytab: client_keytab.map(str::to_owned) })
    };
    // The tickets that a keytab gets must not land in the user's own cache.
    let named = cache.map(str::to_owned).or_else(|| client_keytab.map(|keytab| cache_of(keytab, ambient)));
    from(store(named)).or_else(|error| {
        let caches = cache.filter(|_| name.is_some()).map(caches_in_folder).unwrap_or_default();
        caches.into_iter().find_map(|cache| from(store(Some(cache))).ok()).ok_or(error)
    })
}

/// The caches of a collection in a folder (`DIR:/path`). In a collection that is named, the library
/// looks only at the primary cache, whichever principal it is asked for.
fn caches_in_folder(collection: &str) -> Vec<String> {
    // Two colons name a single cache.
    let folder = collection.strip_prefix("DIR:").filter(|folder| !folder.starts_with(':'));
    let Some(entries) = folder.and_then(|folder| std::fs::read_dir(folder).ok()) else { return Vec::new() };
    let mut caches: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.path().to_str().map(str::to_owned))
        .filter(|path| path.rsplit('/').next().is_some_and(|file| file.starts_with("tkt")))
        .map(|path| format!("DIR::{path}"))
        .collect();
    caches.sort();
    caches
}

/// A cache in memory, the same one for each login by this keytab.
fn cache_of(keytab: &str, ambient: &Ambient) -> String {
    format!("MEMORY:legwork {keytab} {}", ambient.principal_name().unwrap_or_default())
}

fn find_by_password<'a>(
    library: &'a Arc<Library>,
    principal: &str,
    password: &'a Secret,
    credentials: &Credentials,
    mechanism: Oid,
) -> Result<Found<'a>, MechanismError> {
    check_octets(principal, password)?;
    let name = Name::import(library, principal, Oid::USER_NAME)
        .map_err(|failure| explain(AcquireError::Failed(failure), credentials))?;
    let source = Source::Password(password);
    // Not for SPNEGO at first: it calls a wrong password an invalid name, and asking again to learn more
    // would count as another attempt.
    let credential = source
        .acquire(library, Some(&name), to_look_for(mechanism))
        .map_err(|error| explain(error, credentials))?;
    Ok(Found { library, credential, source })
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

/// The error for credentials that the library takes for Kerberos but not for SPNEGO.
fn explain_spnego(error: AcquireError) -> MechanismError {
    let words = match error {
        AcquireError::Failed(failure) => failure.words,
        AcquireError::Unsupported(what) => format!("no support for {what}"),
    };
    let sentence = format!(
        "the GSS-API library's SPNEGO cannot use these credentials ({words}); Gssapi::kerberos() can, also inside Spnego"
    );
    MechanismError::new(ErrorKind::Unavailable, sentence)
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
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::mechanism::gssapi::library::tests::fake::{self, script};

    const NOW: SystemTime = UNIX_EPOCH;

    /// Any credentials of the library, kept until then.
    fn kept_until(until: SystemTime, library: &Arc<Library>) -> KeptCredential {
        let credential = Credential::acquire(library, None, Oid::KERBEROS).ok().expect("credentials");
        KeptCredential { credential: Arc::new(credential), until }
    }

    fn user(number: usize) -> Credentials {
        Credentials::password(format!("user{number}@LAB.TEST"), "pw")
    }

    #[test]
    fn tickets_are_kept_until_a_moment_before_their_end_or_until_they_are_forgotten() {
        let library = fake::library();
        let tickets = Tickets::default();
        tickets.keep(user(1), kept_until(NOW + MARGIN * 2, &library), NOW);
        tickets.keep(user(2), kept_until(NOW + MARGIN * 2, &library), NOW);
        assert!(tickets.kept(&user(1), NOW + MARGIN).is_some());
        assert!(tickets.kept(&user(3), NOW).is_none(), "another user");
        let late = NOW + MARGIN + Duration::from_secs(1);
        assert!(tickets.kept(&user(1), late).is_none(), "less than the margin is left");
        assert_eq!(tickets.lock().len(), 1, "what has ended is not held any longer");
        tickets.forget(&user(2));
        assert!(tickets.kept(&user(2), NOW).is_none());
        assert_eq!(script(|script| script.live), 0, "the library has them back");
    }

    #[test]
    fn a_full_table_gives_up_what_has_ended_and_else_what_ends_first() {
        let library = fake::library();
        let tickets = Tickets::default();
        let hour = Duration::from_secs(3600);
        for number in 0..MAX_KEPT {
            // One in two ends in an hour, and the others later, each at a time of its own.
            let until = if number % 2 == 0 { hour } else { hour * 2 + Duration::from_secs(number as u64) };
            tickets.keep(user(number), kept_until(NOW + until, &library), NOW);
        }
        assert_eq!(tickets.lock().len(), MAX_KEPT);

        let now = NOW + hour;
        tickets.keep(user(MAX_KEPT), kept_until(now + hour * 9, &library), now);
        assert_eq!(tickets.lock().len(), MAX_KEPT / 2 + 1);
        assert!(tickets.kept(&user(0), NOW).is_none() && tickets.kept(&user(1), now).is_some());

        for number in MAX_KEPT + 1..=MAX_KEPT + MAX_KEPT / 2 {
            tickets.keep(user(number), kept_until(now + hour * 9, &library), now);
        }
        assert_eq!(tickets.lock().len(), MAX_KEPT);
        assert!(tickets.kept(&user(1), now).is_none(), "it would have ended first");
        assert!(tickets.kept(&user(3), now).is_some() && tickets.kept(&user(MAX_KEPT), now).is_some());
    }

    #[test]
    fn iakerbs_credentials_are_kept_though_the_library_knows_no_end_of_them() {
        for (mechanism, is_kept) in [(Oid::IAKERB, true), (Oid::KERBEROS, false)] {
            let library = fake::library();
            let tickets = Tickets::default();
            let wanted = WantedCredential { mechanism, shuts_ntlm_out: false };
            let acquire = || tickets.acquire(&library, &user(1), wanted, NOW).expect("credentials");
            assert!(!acquire().was_kept);
            assert_eq!(acquire().was_kept, is_kept, "a lifetime of 0 seconds, {mechanism:?}");
        }
    }

    #[test]
    fn a_ticket_whose_end_no_clock_holds_is_not_kept() {
        let library = fake::library();
        script(|script| script.lifetime = 3600);
        let wanted = WantedCredential { mechanism: Oid::KERBEROS, shuts_ntlm_out: false };
        let mut latest = NOW;
        for shift in (0..63).rev() {
            latest = latest.checked_add(Duration::from_secs(1 << shift)).unwrap_or(latest);
        }
        let tickets = Tickets::default();
        let acquired = tickets.acquire(&library, &user(1), wanted, latest);
        assert!(acquired.is_ok_and(|acquired| !acquired.was_kept));
        assert!(tickets.lock().is_empty());
    }

    #[test]
    fn what_a_library_cannot_take_is_said() {
        let error = explain(AcquireError::Unsupported("passwords"), &user(1));
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.to_string(), "this GSS-API library cannot take passwords");

        let error = explain_spnego(AcquireError::Unsupported("passwords"));
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let words = error.to_string();
        assert!(words.contains("(no support for passwords)"), "{words}");
        assert!(words.contains("Gssapi::kerberos() can"), "{words}");
    }

    #[test]
    fn spnego_gets_credentials_of_the_same_owner_or_none() {
        let wanted = WantedCredential { mechanism: Oid::SPNEGO, shuts_ntlm_out: false };
        let library = fake::library();
        script(|script| script.owner = Some("user1@LAB.TEST"));
        let tickets = Tickets::default();
        assert!(tickets.acquire(&library, &user(1), wanted, NOW).is_ok());
        let acquired = script(|script| {
            assert!(script.imported.contains(&("user1@LAB.TEST".to_owned(), Oid::USER_NAME.0.to_vec())));
            script.acquired.len()
        });
        assert_eq!(acquired, 2, "for Kerberos, and for SPNEGO");

        // Whose they are cannot be told.
        script(|script| script.owner = None);
        let error = tickets.acquire(&library, &user(2), wanted, NOW).err().expect("somebody's credentials");
        assert!(error.to_string().contains("an unknown principal"), "{error}");
    }

    #[test]
    fn the_systems_user_is_named_to_spnego_where_ntlm_must_not_be_chosen() {
        let alice = || Some("alice@LAB.TEST".to_owned());
        for (mechanism, shuts_ntlm_out, asked_for) in [
            (Oid::KERBEROS, false, vec![None]),
            (Oid::SPNEGO, false, vec![None, None]),
            (Oid::SPNEGO, true, vec![None, alice()]),
        ] {
            let library = fake::library();
            script(|script| script.owner = Some("alice@LAB.TEST"));
            let wanted = WantedCredential { mechanism, shuts_ntlm_out };
            let credentials = Credentials::ambient(Ambient::new());
            assert!(Tickets::default().acquire(&library, &credentials, wanted, NOW).is_ok());
            assert_eq!(script(|script| script.acquired.clone()), asked_for, "{mechanism:?}");
        }
    }

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
    fn a_folder_of_caches_is_a_collection_and_a_cache_is_none() {
        let folder = std::env::temp_dir().join(format!("legwork-caches-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        for file in ["tkt", "tktBob", "primary", "other"] {
            std::fs::write(folder.join(file), "").expect("a file");
        }
        let path = folder.to_str().expect("UTF-8");
        let found = caches_in_folder(&format!("DIR:{path}"));
        assert_eq!(found, [format!("DIR::{path}/tkt"), format!("DIR::{path}/tktBob")]);
        for single in [format!("DIR::{path}/tkt"), format!("FILE:{path}/tkt"), "DIR:/nowhere".to_owned()] {
            assert!(caches_in_folder(&single).is_empty(), "{single}");
        }
        std::fs::remove_dir_all(&folder).expect("it is there");
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

    #[test]
    fn each_keytab_and_principal_has_a_cache_of_its_own() {
        let alice = Ambient::new().principal("alice@LAB.TEST");
        assert_eq!(cache_of("FILE:/k", &alice), "MEMORY:legwork FILE:/k alice@LAB.TEST");
        assert_eq!(cache_of("FILE:/k", &Ambient::new()), "MEMORY:legwork FILE:/k ");
    }
}
