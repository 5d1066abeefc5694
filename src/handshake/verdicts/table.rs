//! Where accounts and spaces are kept, within bounds in octets. What stands against credentials, and
//! whether they were ever accepted, goes last.

use std::collections::{HashMap, VecDeque};

use super::account::{Account, AccountInSpace};
use super::slots::Slots;
use crate::credentials::Credentials;
use crate::protection_space::{Challenger, Origin, ProtectionSpace};

/// How much is kept in all, in octets.
pub(super) const MAX_OCTETS: usize = 1024 * 1024;
/// How much of one origin or proxy.
pub(super) const MAX_OCTETS_OF_ORIGIN: usize = 64 * 1024;

#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    accounts: Slots<Holding>,
    by_credentials: HashMap<Credentials, usize>,
    spaces: Slots<TableEntry>,
    /// Which space was looked at last: as a rule it is the next one, too.
    latest: usize,
    origins: HashMap<(Challenger, Origin), OfOrigin>,
    /// All spaces, the least recently used first.
    queues: Queues,
    octets: usize,
    uses: u64,
}

/// An account, and where its spaces are.
#[derive(Clone, Debug, Default)]
struct Holding {
    account: Account,
    spaces: HashMap<ProtectionSpace, usize>,
}

/// What is kept of an account in a space.
#[derive(Clone, Debug)]
struct TableEntry {
    credentials: Credentials,
    key: ProtectionSpace,
    /// Where the account is.
    account: usize,
    space: AccountInSpace,
    /// The number of its last use, which no other space has.
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

/// Where a space was at one of its uses.
#[derive(Clone, Copy, Debug)]
struct Use {
    at: usize,
    number: u64,
}

/// Spaces by when they were used. Each use adds an entry, and those before it hold no longer.
#[derive(Clone, Debug, Default)]
struct Queues([VecDeque<Use>; 2]);

impl Table {
    /// What is kept of these credentials, and of them in this space; made where there is nothing. What
    /// that leaves no room for goes.
    pub(super) fn with<T>(
        &mut self,
        credentials: &Credentials,
        space: &ProtectionSpace,
        act: impl FnOnce(&mut Account, &mut AccountInSpace) -> T,
    ) -> T {
        let at = self.find(credentials, space).unwrap_or_else(|| self.add(credentials, space));
        self.latest = at;
        // Among those used last, another use changes nothing.
        let recent = (self.spaces.len() / 4) as u64;
        let entry = &mut self.spaces[at];
        // First the change, then the room: what it grew to is known only now, and what it is about is the most
        // recently used and goes last.
        let result = act(&mut self.accounts[entry.account].account, &mut entry.space);

        let octets = entry.count();
        let worth = match entry.space.is_worth_keeping() {
            true => Worth::Much,
            false => Worth::Little,
        };
        let was = std::mem::replace(&mut entry.octets, octets);
        self.octets = self.octets - was + octets;
        let is_recent = self.uses - entry.used <= recent;
        // A new one has had no size. The usual case by far: a queue that grew with each of a million requests would have to be tidied as often.
        if was == octets && worth == entry.worth && is_recent {
            return result;
        }
        self.uses += 1;
        (entry.used, entry.worth) = (self.uses, worth);
        let (used, origin) = (Use { at, number: self.uses }, (space.challenger, space.origin.clone()));
        let of_origin = self.origins.get_mut(&origin).expect("each space has its origin");
        of_origin.octets = of_origin.octets - was + octets;
        of_origin.queues.push(worth, used);
        self.queues.push(worth, used);
        self.make_room(&origin);
        result
    }

    fn find(&self, credentials: &Credentials, space: &ProtectionSpace) -> Option<usize> {
        let latest = self.spaces.get(self.latest);
        if latest.is_some_and(|latest| latest.credentials == *credentials && latest.key == *space) {
            return Some(self.latest);
        }
        let account = self.by_credentials.get(credentials)?;
        self.accounts[*account].spaces.get(space).copied()
    }

    fn add(&mut self, credentials: &Credentials, space: &ProtectionSpace) -> usize {
        let account = self.by_credentials.entry(credentials.clone());
        let account = *account.or_insert_with(|| self.accounts.insert(Holding::default()));
        let at = self.spaces.insert(TableEntry {
            credentials: credentials.clone(),
            key: space.clone(),
            account,
            space: AccountInSpace::default(),
            used: 0,
            octets: 0,
            worth: Worth::default(),
        });
        self.accounts[account].spaces.insert(space.clone(), at);
        self.origins.entry((space.challenger, space.origin.clone())).or_default().spaces += 1;
        at
    }

    /// Changes all spaces of these credentials.
    pub(super) fn for_each_space(
        &mut self,
        credentials: &Credentials,
        mut act: impl FnMut(&mut AccountInSpace),
    ) {
        let Some(account) = self.by_credentials.get(credentials) else { return };
        for at in self.accounts[*account].spaces.values() {
            act(&mut self.spaces[*at].space);
        }
    }

    /// Changes everything.
    pub(super) fn for_all(
        &mut self,
        mut act_on_account: impl FnMut(&mut Account),
        mut act_on_space: impl FnMut(&mut AccountInSpace),
    ) {
        self.accounts.iter_mut().for_each(|holding| act_on_account(&mut holding.account));
        self.spaces.iter_mut().for_each(|entry| act_on_space(&mut entry.space));
    }

    /// Drops what is least worth keeping: of an origin that may have too much, and of all.
    fn make_room(&mut self, origin: &(Challenger, Origin)) {
        // The origin's own bound first: a server that challenges for a thousand realms pushes out its own, not those
        // of others.
        while let Some(of_origin) = self.origins.get_mut(origin) {
            of_origin.queues.tidy(of_origin.spaces, &self.spaces);
            if of_origin.octets <= MAX_OCTETS_OF_ORIGIN {
                break;
            }
            let Some(at) = of_origin.queues.pop(&self.spaces) else { break };
            self.remove(at);
        }
        self.queues.tidy(self.spaces.len(), &self.spaces);
        while self.octets > MAX_OCTETS {
            let Some(at) = self.queues.pop(&self.spaces) else { break };
            self.remove(at);
        }
    }

    fn remove(&mut self, at: usize) {
        let Some(entry) = self.spaces.remove(at) else { return };
        let holding = &mut self.accounts[entry.account];
        holding.spaces.remove(&entry.key);
        // With its last space the account goes, and with it that the credentials were refused: that is why what
        // stands against them goes last.
        if holding.spaces.is_empty() {
            self.accounts.remove(entry.account);
            self.by_credentials.remove(&entry.credentials);
        }
        self.octets -= entry.octets;
        let origin = (entry.key.challenger, entry.key.origin);
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
    pub(super) fn origins(&self) -> usize {
        self.origins.len()
    }

    #[cfg(test)]
    pub(super) fn queued(&self) -> (usize, usize) {
        (self.spaces.len(), self.queues.0.iter().map(VecDeque::len).sum())
    }
}

impl Use {
    /// Whether it is its space's last. Another one that has got its place since has a number of its own.
    fn holds(self, spaces: &Slots<TableEntry>) -> bool {
        spaces.get(self.at).is_some_and(|entry| entry.used == self.number)
    }
}

impl Queues {
    fn push(&mut self, worth: Worth, used: Use) {
        self.0[worth as usize].push_back(used);
    }

    /// Where the least recently used is, of little worth first.
    fn pop(&mut self, spaces: &Slots<TableEntry>) -> Option<usize> {
        self.0.iter_mut().find_map(|queue| {
            while let Some(used) = queue.pop_front() {
                if used.holds(spaces) {
                    return Some(used.at);
                }
            }
            None
        })
    }

    /// Drops entries that hold no longer once they are the larger part.
    fn tidy(&mut self, count: usize, spaces: &Slots<TableEntry>) {
        if self.0.iter().map(VecDeque::len).sum::<usize>() > 2 * count + 16 {
            for queue in &mut self.0 {
                queue.retain(|used| used.holds(spaces));
            }
        }
    }
}

impl AccountInSpace {
    fn is_worth_keeping(&self) -> bool {
        self.is_accepted || self.is_barred || self.record.is_worth_keeping()
    }
}

/// What a space takes in the tables: its entry, perhaps an account, the keys of both with the room that hash tables leave
/// free, and its uses in the queues.
type Share = (TableEntry, Holding, [(Credentials, ProtectionSpace, usize); 4], [Use; 6]);

impl TableEntry {
    /// About how much memory it takes, with its share of the tables around it.
    fn count(&self) -> usize {
        let secret = self.credentials.as_password();
        let secret = secret.map(|(username, password)| username.len() + password.expose().len());
        let token = self.credentials.as_bearer_token().map(|token| token.expose().len());
        let texts = self.key.origin.host().len() + self.key.realm.as_ref().map_or(0, |realm| realm.len());
        size_of::<Share>()
            + texts
            + secret.or(token).unwrap_or_default()
            + self.space.accepted.octets()
            + self.space.challenged.octets()
    }
}
