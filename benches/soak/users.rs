//! Who asks, with which password, and since when the server knows another one.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::Uri;
use legwork::Credentials;

use crate::script::Draw;
use crate::server::{Dialogue, Manner, REALM, Server, USERS, first_password, name};

/// All users of all origins.
pub(crate) struct Users {
    dialogue: Arc<Mutex<Dialogue>>,
    origins: Vec<OriginOfUsers>,
    users: Vec<User>,
}

struct OriginOfUsers {
    manner: Manner,
    authority: String,
    /// Odd while connections are closed for what is changed there.
    disturbances: AtomicU64,
    /// Whose password was the last to be changed there, and when.
    changed: Mutex<Option<(usize, Instant)>>,
}

struct User {
    number: usize,
    /// How many passwords the server had of it before this one.
    at_the_server: AtomicU64,
    here: Mutex<Known>,
    requests: Arc<Requests>,
}

/// How many logins of a user may be under way; and since its password changed, the most there were, and those of requests
/// that were given up: the server may have them before it yet.
#[derive(Default)]
struct Requests {
    now: AtomicUsize,
    most: AtomicUsize,
    given_up: AtomicUsize,
}

#[derive(Clone)]
struct Known {
    credentials: Credentials,
    generation: u64,
}

/// A password that was changed at the server.
pub(crate) struct Change {
    pub(crate) user: usize,
    /// How many logins by the old password the origin refused after the change before.
    pub(crate) refused_before: usize,
    password: String,
}

/// What a request begins with.
pub(crate) struct Begun {
    pub(crate) credentials: Credentials,
    pub(crate) name: String,
    pub(crate) authority: String,
    user: usize,
    generation: u64,
    disturbances: u64,
    requests: Arc<Requests>,
    logins: usize,
}

impl Users {
    pub(crate) fn new(server: &Server) -> Self {
        let origin = |manner| OriginOfUsers {
            manner,
            authority: server.address(manner).to_string(),
            disturbances: AtomicU64::new(0),
            changed: Mutex::new(None),
        };
        let user = |manner, number| User {
            number,
            at_the_server: AtomicU64::new(0),
            here: Mutex::new(Known {
                credentials: credentials(manner, number, &first_password(manner, number)),
                generation: 0,
            }),
            requests: Arc::default(),
        };
        Self {
            dialogue: server.dialogue(),
            origins: Manner::ALL.map(origin).into(),
            users: Manner::ALL
                .into_iter()
                .flat_map(|manner| (0..USERS).map(move |number| user(manner, number)))
                .collect(),
        }
    }

    pub(crate) fn drawn(&self, draw: &mut Draw) -> usize {
        draw.below(self.users.len())
    }

    fn origin(&self, user: usize) -> &OriginOfUsers {
        &self.origins[user / USERS]
    }

    /// A request that sends so many logins at most.
    pub(crate) fn begin(&self, user: usize, logins: usize) -> Begun {
        let origin = self.origin(user);
        let disturbances = origin.disturbances.load(Ordering::SeqCst);
        let Known { credentials, generation } = self.known(user).clone();
        let requests = Arc::clone(&self.users[user].requests);
        let now = logins + requests.now.fetch_add(logins, Ordering::SeqCst);
        requests.most.fetch_max(now, Ordering::SeqCst);
        Begun {
            requests,
            logins,
            credentials,
            name: name(origin.manner, self.users[user].number),
            authority: origin.authority.clone(),
            user,
            generation,
            disturbances,
        }
    }

    fn known(&self, user: usize) -> MutexGuard<'_, Known> {
        self.users[user].here.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server has another password than the one that the request began with.
    pub(crate) fn is_outdated(&self, begun: &Begun) -> bool {
        self.users[begun.user].at_the_server.load(Ordering::SeqCst) != begun.generation
    }

    /// Whether a change at the origin closed connections since the request began.
    pub(crate) fn is_disturbed(&self, begun: &Begun) -> bool {
        let now = self.origin(begun.user).disturbances.load(Ordering::SeqCst);
        begun.disturbances % 2 == 1 || now != begun.disturbances
    }

    pub(crate) async fn change_at_the_server(&self, draw: &mut Draw) -> Result<Change, String> {
        let (user, is_begun_again) = (self.drawn(draw), draw.below(2) == 0);
        let (origin, number) = (self.origin(user), self.users[user].number);
        let manner = origin.manner;
        origin.disturbances.fetch_add(1, Ordering::SeqCst);
        let generation = 1 + self.users[user].at_the_server.fetch_add(1, Ordering::SeqCst);
        let password = format!("{}-pw-{generation}", name(manner, number));
        let (before, allowed) = self.begin_to_change(user);
        let (dialogue, new) = (Arc::clone(&self.dialogue), password.clone());
        let changed = tokio::task::spawn_blocking(move || {
            let mut dialogue = dialogue.lock().unwrap_or_else(PoisonError::into_inner);
            dialogue.change(manner, number, &new, is_begun_again)
        });
        let refused_before = changed.await.expect("no panic").map_err(|error| error.to_string())?;
        origin.disturbances.fetch_add(1, Ordering::SeqCst);
        if refused_before > allowed {
            return Err(format!("{refused_before} logins by an old password of {before}, not {allowed}"));
        }
        Ok(Change { user, refused_before, password })
    }

    /// Takes note of whose password is the next to change at an origin. Gives whose was the last, and how many logins by its old
    /// one there may have been: what the first refusal found under way, and two more, since each request is for a path
    /// that nobody has asked for before. On a machine that has much else to do, an answer can take more than five seconds, for which
    /// as many again may go, and a minute ends a pause.
    fn begin_to_change(&self, user: usize) -> (String, usize) {
        let (origin, now) = (self.origin(user), Instant::now());
        let before = origin.changed.lock().unwrap_or_else(PoisonError::into_inner).replace((user, now));
        let allowed = before.map_or(0, |(before, since)| {
            let Requests { most, given_up, .. } = &*self.users[before].requests;
            let passed = now.duration_since(since).as_secs();
            let known = 2 + most.load(Ordering::SeqCst) + given_up.load(Ordering::SeqCst);
            (known << (passed / 5).min(16)) + (passed / 60) as usize
        });
        let Requests { now, most, given_up } = &*self.users[user].requests;
        most.store(now.load(Ordering::SeqCst), Ordering::SeqCst);
        given_up.store(0, Ordering::SeqCst);
        (
            before.map_or_else(String::new, |(before, _)| name(origin.manner, self.users[before].number)),
            allowed,
        )
    }

    /// Has requests act with the new password from now on.
    pub(crate) fn change_here(&self, change: Change) {
        let manner = self.origin(change.user).manner;
        let credentials = credentials(manner, self.users[change.user].number, &change.password);
        let mut known = self.known(change.user);
        *known = Known { credentials, generation: known.generation + 1 };
    }
}

impl Begun {
    /// Nobody waits for it any more.
    pub(crate) fn give_up(&self) {
        self.requests.given_up.fetch_add(self.logins, Ordering::SeqCst);
    }

    pub(crate) fn uri(&self, path: &str) -> Uri {
        format!("http://{}{path}", self.authority).parse().expect("a URI")
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.requests.now.fetch_sub(self.logins, Ordering::SeqCst);
    }
}

fn credentials(manner: Manner, number: usize, password: &str) -> Credentials {
    match manner {
        Manner::Bearer => Credentials::bearer_token(password),
        Manner::Kerberos => Credentials::password(format!("{}@{REALM}", name(manner, number)), password),
        _ => Credentials::password(name(manner, number), password),
    }
}
