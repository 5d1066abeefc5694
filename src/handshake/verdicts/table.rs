//! Where accounts and spaces are kept, within bounds in octets. What stands against credentials, and
//! whether they were ever accepted, goes last.

use std::collections::{HashMap, VecDeque};

use super::{Account, Space};
use crate::credentials::Credentials;
use crate::protection_space::{Challenger, Origin, ProtectionSpace};

/// How much is kept in all, in octets.
pub(super) const MAX_OCTETS: usize = 1024 * 1024;
/// How much of one origin or proxy.
pub(super) const MAX_OCTETS_OF_ORIGIN: usize = 64 * 1024;

#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    accounts: HashMap<Credentials, Holding>,
    origins: HashMap<(Challenger, Origin), OfOrigin>,
    /// All spaces, the least recently used first.
    queues: Queues,
    octets: usize,
    spaces: usize,
    uses: u64,
}

/// An account, and its spaces.
#[derive(Clone, Debug, Default)]
struct Holding {
    account: Account,
    spaces: HashMap<ProtectionSpace, Entry>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    space: Space,
    used: u64,
    octets: usize,
    worth: Worth,
}

#[derive(Clone, Debug, Default)]
struct OfOrigin {
    queues: Queues,
    octets: usize,
    spaces: usize,
}

/// What goes first, and what last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Worth {
    #[default]
    Little,
    Much,
}

type Key = (Credentials, ProtectionSpace);

/// Spaces by when they were used. Each use adds an entry, and those before it hold no longer.
#[derive(Clone, Debug, Default)]
struct Queues([VecDeque<(Key, u64)>; 2]);

impl Table {
    /// What is kept of these credentials, and of them in this space; made where there is nothing. What
    /// that leaves no room for goes.
    pub(super) fn with<T>(
        &mut self,
        credentials: &Credentials,
        space: &ProtectionSpace,
        act: impl FnOnce(&mut Account, &mut Space) -> T,
    ) -> T {
        if !self.accounts.contains_key(credentials) {
            self.accounts.insert(credentials.clone(), Holding::default());
        }
        let holding = self.accounts.get_mut(credentials).expect("it was just put there");
        if !holding.spaces.contains_key(space) {
            holding.spaces.insert(space.clone(), Entry::default());
            self.spaces += 1;
            let of_origin = self.origins.entry((space.challenger, space.origin.clone())).or_default();
            of_origin.spaces += 1;
        }
        let entry = holding.spaces.get_mut(space).expect("it was just put there");
        let result = act(&mut holding.account, &mut entry.space);

        let octets = octets(credentials, space, &entry.space);
        let worth = match entry.space.is_worth_keeping() {
            true => Worth::Much,
            false => Worth::Little,
        };
        let was = std::mem::replace(&mut entry.octets, octets);
        self.octets = self.octets - was + octets;
        // Among those used last, another use changes nothing.
        let is_recent = entry.used > 0 && self.uses - entry.used <= (self.spaces / 4) as u64;
        if was == octets && worth == entry.worth && is_recent {
            return result;
        }
        self.uses += 1;
        (entry.used, entry.worth) = (self.uses, worth);
        let (key, origin) = ((credentials.clone(), space.clone()), (space.challenger, space.origin.clone()));
        let of_origin = self.origins.get_mut(&origin).expect("each space has its origin");
        of_origin.octets = of_origin.octets - was + octets;
        of_origin.queues.push(worth, key.clone(), self.uses);
        self.queues.push(worth, key, self.uses);
        self.make_room(&origin);
        result
    }

    /// Changes all spaces of these credentials.
    pub(super) fn for_each_space(&mut self, credentials: &Credentials, mut act: impl FnMut(&mut Space)) {
        let holding = self.accounts.get_mut(credentials);
        for entry in holding.into_iter().flat_map(|holding| holding.spaces.values_mut()) {
            act(&mut entry.space);
        }
    }

    /// Changes everything.
    pub(super) fn for_all(
        &mut self,
        mut act_on_account: impl FnMut(&mut Account),
        mut act_on_space: impl FnMut(&mut Space),
    ) {
        for holding in self.accounts.values_mut() {
            act_on_account(&mut holding.account);
            for entry in holding.spaces.values_mut() {
                act_on_space(&mut entry.space);
            }
        }
    }

    /// Drops what is least worth keeping: of an origin that may have too much, and of all.
    fn make_room(&mut self, origin: &(Challenger, Origin)) {
        while let Some(of_origin) = self.origins.get_mut(origin) {
            let spaces = of_origin.spaces;
            of_origin.queues.tidy(spaces, |key, used| holds(&self.accounts, key, used));
            if of_origin.octets <= MAX_OCTETS_OF_ORIGIN {
                break;
            }
            let Some(key) = of_origin.queues.pop(|key, used| holds(&self.accounts, key, used)) else { break };
            self.remove(&key);
        }
        self.queues.tidy(self.spaces, |key, used| holds(&self.accounts, key, used));
        while self.octets > MAX_OCTETS {
            let Some(key) = self.queues.pop(|key, used| holds(&self.accounts, key, used)) else { break };
            self.remove(&key);
        }
    }

    fn remove(&mut self, (credentials, space): &Key) {
        let Some(holding) = self.accounts.get_mut(credentials) else { return };
        let Some(entry) = holding.spaces.remove(space) else { return };
        if holding.spaces.is_empty() {
            self.accounts.remove(credentials);
        }
        self.octets -= entry.octets;
        self.spaces -= 1;
        let origin = (space.challenger, space.origin.clone());
        let of_origin = self.origins.get_mut(&origin).expect("each space has its origin");
        of_origin.octets -= entry.octets;
        of_origin.spaces -= 1;
        if of_origin.spaces == 0 {
            self.origins.remove(&origin);
        }
    }

    #[cfg(test)]
    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    #[cfg(test)]
    pub(super) fn queued(&self) -> (usize, usize) {
        (self.spaces, self.queues.0.iter().map(VecDeque::len).sum())
    }
}

/// Whether an entry of a queue is its space's last use.
fn holds(accounts: &HashMap<Credentials, Holding>, (credentials, space): &Key, used: u64) -> bool {
    let entry = accounts.get(credentials).and_then(|holding| holding.spaces.get(space));
    entry.is_some_and(|entry| entry.used == used)
}

impl Queues {
    fn push(&mut self, worth: Worth, key: Key, used: u64) {
        self.0[worth as usize].push_back((key, used));
    }

    /// The least recently used, of little worth first.
    fn pop(&mut self, holds: impl Fn(&Key, u64) -> bool) -> Option<Key> {
        self.0.iter_mut().find_map(|queue| {
            while let Some((key, used)) = queue.pop_front() {
                if holds(&key, used) {
                    return Some(key);
                }
            }
            None
        })
    }

    /// Drops entries that hold no longer once they are the larger part.
    fn tidy(&mut self, spaces: usize, holds: impl Fn(&Key, u64) -> bool) {
        if self.0.iter().map(VecDeque::len).sum::<usize>() > 2 * spaces + 16 {
            for queue in &mut self.0 {
                queue.retain(|(key, used)| holds(key, *used));
            }
        }
    }
}

impl Space {
    fn is_worth_keeping(&self) -> bool {
        self.is_accepted || self.is_barred || self.record.is_worth_keeping()
    }
}

/// About how much memory a space takes, with its share of the tables around it.
fn octets(credentials: &Credentials, key: &ProtectionSpace, space: &Space) -> usize {
    let secret =
        credentials.as_password().map(|(username, password)| username.len() + password.expose().len());
    let token = credentials.as_bearer_token().map(|token| token.expose().len());
    let texts = key.origin.host().len() + key.realm.as_ref().map_or(0, |realm| realm.len());
    size_of::<Entry>()
        + size_of::<Holding>()
        + 7 * size_of::<(Key, u64)>()
        + texts
        + secret.or(token).unwrap_or_default()
        + space.accepted.octets()
        + space.challenged.octets()
}
