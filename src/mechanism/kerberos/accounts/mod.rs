//! What is known of each user: tickets, the password's key, refusals, and who is getting a ticket just now.

mod flight;
mod refusal;

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::credentials::{Credentials, Secret};
pub(super) use crate::mechanism::kerberos::accounts::flight::Carrier;
use crate::mechanism::kerberos::accounts::flight::{Flight, Wanted, is_refusal};
use crate::mechanism::kerberos::accounts::refusal::Refusal;
use crate::mechanism::kerberos::exchange::{FirstTicket, GrantedTicket, Opening, PasswordKey, Principal};
use crate::mechanism::{Awaited, ErrorKind, MechanismError};

/// How many users are known, and how many tickets for services are kept.
const MAX_ACCOUNTS: usize = 1_024;
const MAX_TICKETS: usize = 1_024;
/// Tickets with less than this left are replaced; short ones with less than a tenth.
const MARGIN: Duration = Duration::from_secs(60);
/// A ticket that was got longer ago than this may be of an old key of its service. Servers that cannot read one often say
/// nothing but 401, as they do where a user has no access.
const MAY_BE_OUTDATED: Duration = Duration::from_secs(5 * 60);

/// Who logs in, with which password.
pub(super) struct Identity {
    client: Principal,
    credentials: Credentials,
}

impl Identity {
    /// Of these credentials, which are a name and a password.
    pub(super) fn new(client: Principal, credentials: Credentials) -> Self {
        Self { client, credentials }
    }

    pub(super) fn client(&self) -> &Principal {
        &self.client
    }

    pub(super) fn password(&self) -> Option<&Secret> {
        self.credentials.as_password().map(|(_, password)| password)
    }
}

impl PartialEq for Identity {
    /// However the name was written.
    fn eq(&self, other: &Self) -> bool {
        self.client == other.client && self.password() == other.password()
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    /// Hashes the name only: a hash of the password has no place in a table.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.client.hash(state);
    }
}

/// The users of one handle.
#[derive(Default)]
pub(super) struct Accounts(Mutex<Table>);

#[derive(Default)]
struct Table {
    accounts: HashMap<Arc<Identity>, Account>,
    /// Counts the look-ups: what was looked up long ago is dropped first.
    uses: u64,
}

#[derive(Default)]
struct Account {
    key: Option<PasswordKey>,
    first: Option<Arc<GrantedTicket>>,
    services: HashMap<Arc<str>, Kept>,
    /// A KDC has granted a ticket for this password.
    was_taken: bool,
    /// What a KDC was asked last for a first ticket has had no answer.
    is_unanswered: bool,
    /// What a KDC has refused it with.
    refusal: Option<Refusal>,
    /// The same, as relayed by a server.
    relayed: Option<Refusal>,
    flights: Vec<Arc<Flight>>,
    used: u64,
}

struct Kept {
    ticket: Arc<GrantedTicket>,
    since: SystemTime,
    used: u64,
}

/// What a login is to do.
pub(super) enum Found {
    /// Show this ticket to the service.
    Ticket(Arc<GrantedTicket>),
    /// Fail: the KDC has refused the password.
    Refused(MechanismError),
    /// Wait for another login, and look again.
    Awaits(Awaited),
    /// Get the ticket.
    Leads(Lead),
}

impl Accounts {
    /// Looks for a ticket, or for who gets it.
    pub(super) fn find(
        self: &Arc<Self>,
        identity: &Arc<Identity>,
        target_name: &Arc<str>,
        carrier: &Carrier,
        now: SystemTime,
    ) -> Found {
        let mut table = self.lock();
        let account = table.account(identity, now);
        // The order is that of the cost: a ticket that is held asks nobody; a refusal that is known saves an attempt;
        // another login's exchange saves a message; only then is a KDC asked. A ticket before the refusal: it was
        // granted for this very password, and holds until it ends.
        if let Some(ticket) = account.service(target_name, now) {
            return Found::Ticket(ticket);
        }
        if let Some(error) = account.refused(carrier, now) {
            return Found::Refused(error);
        }
        // Dropped before it is looked for who gets a new one, since that decides what is waited for.
        account.first.take_if(|first| !is_fresh(first, now));
        if let Some(flight) = account.awaits(target_name, carrier, now) {
            return Found::Awaits(flight.awaited(carrier));
        }
        let wanted = match account.first {
            Some(_) => Wanted::Service(Arc::clone(target_name)),
            None => Wanted::First,
        };
        let flight = Flight::new(wanted, carrier.clone(), now);
        // Under the lock that found nobody: two that look at the same time are one that leads and one that waits.
        account.flights.push(Arc::clone(&flight));
        Found::Leads(Lead {
            accounts: Arc::clone(self),
            identity: Arc::clone(identity),
            target_name: Arc::clone(target_name),
            first: account.first.clone(),
            key: account.key.clone(),
            is_unanswered: account.is_unanswered,
            flight,
        })
    }

    /// The ticket for a service, if it is held.
    pub(super) fn held(
        &self,
        identity: &Arc<Identity>,
        target_name: &Arc<str>,
        now: SystemTime,
    ) -> Option<Arc<GrantedTicket>> {
        self.lock().account(identity, now).service(target_name, now)
    }

    /// What was refused by the word of a KDC, or by that of a server which has passed it on.
    pub(super) fn refused(
        &self,
        identity: &Arc<Identity>,
        target_name: &Arc<str>,
        now: SystemTime,
    ) -> Option<MechanismError> {
        self.lock().account(identity, now).refused(&Carrier::Server(Arc::clone(target_name)), now)
    }

    /// The service did not take its ticket: the next login gets another one.
    pub(super) fn forget(
        &self,
        identity: &Arc<Identity>,
        target_name: &Arc<str>,
        ticket: &Arc<GrantedTicket>,
    ) {
        self.forget_if(identity, target_name, |kept| Arc::ptr_eq(&kept.ticket, ticket));
    }

    /// The service has said nothing to its ticket: the next login gets another one, if that may be why.
    pub(super) fn forget_outdated(
        &self,
        identity: &Arc<Identity>,
        target_name: &Arc<str>,
        ticket: &Arc<GrantedTicket>,
        now: SystemTime,
    ) {
        let is_outdated = |kept: &Kept| now.duration_since(kept.since).is_ok_and(|age| age > MAY_BE_OUTDATED);
        self.forget_if(identity, target_name, |kept| Arc::ptr_eq(&kept.ticket, ticket) && is_outdated(kept));
    }

    fn forget_if(
        &self,
        identity: &Arc<Identity>,
        target_name: &Arc<str>,
        condition: impl FnOnce(&Kept) -> bool,
    ) {
        let mut table = self.lock();
        let Some(account) = table.accounts.get_mut(identity) else { return };
        if account.services.get(target_name).is_some_and(condition) {
            account.services.remove(target_name);
        }
    }

    /// Passwords that were refused may be tried again.
    pub(super) fn forget_refusals(&self) {
        for account in self.lock().accounts.values_mut() {
            (account.refusal, account.relayed) = (None, None);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accounts(..)")
    }
}

impl Table {
    fn account(&mut self, identity: &Arc<Identity>, now: SystemTime) -> &mut Account {
        if self.accounts.len() >= MAX_ACCOUNTS && !self.accounts.contains_key(identity) {
            self.drop_one(now);
        }
        self.uses += 1;
        let account = self.accounts.entry(Arc::clone(identity)).or_default();
        account.used = self.uses;
        account
    }

    /// The account that was looked up longest ago; refusals go last.
    fn drop_one(&mut self, now: SystemTime) {
        let oldest = self
            .accounts
            .iter()
            .filter(|(_, account)| account.flights.is_empty())
            .min_by_key(|(_, account)| (account.is_refused(now), account.used))
            .map(|(identity, _)| Arc::clone(identity));
        if let Some(oldest) = oldest {
            self.accounts.remove(&oldest);
        }
    }

    /// Makes room for a ticket where there is none.
    fn drop_ticket(&mut self) {
        if self.accounts.values().map(|account| account.services.len()).sum::<usize>() < MAX_TICKETS {
            return;
        }
        let oldest = self
            .accounts
            .values_mut()
            .filter_map(|account| {
                let (target_name, kept) = account.services.iter().min_by_key(|(_, kept)| kept.used)?;
                Some((kept.used, Arc::clone(target_name), account))
            })
            .min_by_key(|(used, ..)| *used);
        if let Some((_, target_name, account)) = oldest {
            account.services.remove(&target_name);
        }
    }
}

impl Account {
    fn service(&mut self, target_name: &Arc<str>, now: SystemTime) -> Option<Arc<GrantedTicket>> {
        let kept = self.services.get_mut(target_name)?;
        if !is_fresh(&kept.ticket, now) {
            self.services.remove(target_name);
            return None;
        }
        kept.used = self.used;
        Some(Arc::clone(&kept.ticket))
    }

    /// A server's word counts where servers are asked.
    fn refused(&self, carrier: &Carrier, now: SystemTime) -> Option<MechanismError> {
        let relayed = self.relayed.as_ref().filter(|_| matches!(carrier, Carrier::Server(_)));
        self.refusal.iter().chain(relayed).find_map(|refusal| refusal.at(now))
    }

    fn is_refused(&self, now: SystemTime) -> bool {
        self.refusal.iter().chain(&self.relayed).any(|refusal| refusal.at(now).is_some())
    }

    /// Who gets what a login needs. A password that no KDC has taken yet is shown once at a time, whoever carries it;
    /// after that no login waits for another one's carrier.
    fn awaits(&self, target_name: &Arc<str>, carrier: &Carrier, now: SystemTime) -> Option<&Arc<Flight>> {
        self.flights.iter().filter(|flight| !flight.is_overdue(now)).find(|flight| match &flight.wanted {
            Wanted::Service(service) => service == target_name && flight.carrier == *carrier,
            Wanted::First => self.first.is_none() && (flight.carrier == *carrier || !self.was_taken),
        })
    }

    fn refuse(&mut self, error: &MechanismError, now: SystemTime) {
        if !is_refusal(error) {
            return;
        }
        let (slot, was_taken) = match error.is_relayed() {
            // A server cannot bar what a KDC has taken.
            true if self.was_taken => return,
            true => (&mut self.relayed, false),
            false => (&mut self.refusal, self.was_taken),
        };
        *slot = Some(Refusal::new(error.clone(), now, was_taken, slot.is_none()));
    }

    /// Tells whether it was under way.
    fn end(&mut self, flight: &Arc<Flight>) -> bool {
        let before = self.flights.len();
        self.flights.retain(|other| !Arc::ptr_eq(other, flight));
        self.flights.len() < before
    }
}

/// Gets a ticket for others as well, who wait meanwhile. Dropped before that, it leaves it to the next one.
pub(super) struct Lead {
    accounts: Arc<Accounts>,
    identity: Arc<Identity>,
    target_name: Arc<str>,
    first: Option<Arc<GrantedTicket>>,
    key: Option<PasswordKey>,
    is_unanswered: bool,
    flight: Arc<Flight>,
}

impl Lead {
    /// The ticket that gets others, if it is held.
    pub(super) fn first(&self) -> Option<Arc<GrantedTicket>> {
        self.first.clone()
    }

    /// The password's key, if it was made before.
    pub(super) fn key(&self) -> Option<PasswordKey> {
        self.key.clone()
    }

    /// How the exchange with the KDC begins. A message with the password that is not answered may have counted as an attempt:
    /// where the KDC was silent before, it is asked without, and shows by its answer that it is there.
    pub(super) fn opening(&self) -> Opening {
        match self.key() {
            Some(key) if !self.is_unanswered => Opening::Shows(key),
            key => Opening::Asks(key),
        }
    }

    /// The ticket that gets others was not taken. Where the KDC itself has said so, it is of no use to anybody.
    pub(super) fn drop_first(&mut self, is_certain: bool) {
        let Some(dropped) = self.first.take().filter(|_| is_certain) else { return };
        let mut table = self.accounts.lock();
        if let Some(account) = table.accounts.get_mut(&self.identity) {
            account.first.take_if(|first| Arc::ptr_eq(first, &dropped));
        }
    }

    /// The KDC has taken the password. What is left is the ticket for the service.
    pub(super) fn first_granted(&mut self, granted: FirstTicket, now: SystemTime) -> Arc<GrantedTicket> {
        let first = Arc::new(granted.ticket);
        let wanted = Wanted::Service(Arc::clone(&self.target_name));
        // The next flight is there before the first one ends, so that those who are woken find it and wait for the
        // service's ticket, rather than all asking for it.
        let next = Flight::new(wanted, self.flight.carrier.clone(), now);
        self.with_account(now, |account, flight| {
            account.first = Some(Arc::clone(&first));
            account.key = Some(granted.key);
            (account.was_taken, account.is_unanswered) = (true, false);
            (account.refusal, account.relayed) = (None, None);
            account.end(flight);
            account.flights.push(Arc::clone(&next));
        });
        // Not under the lock: those who are woken take it.
        std::mem::replace(&mut self.flight, next).end(Ok(()));
        Arc::clone(self.first.insert(first))
    }

    /// The ticket for the service is there.
    pub(super) fn granted(self, ticket: GrantedTicket, now: SystemTime) -> Arc<GrantedTicket> {
        let ticket = Arc::new(ticket);
        self.accounts.lock().drop_ticket();
        self.with_account(now, |account, flight| {
            let kept = Kept { ticket: Arc::clone(&ticket), since: now, used: account.used };
            account.services.insert(Arc::clone(&self.target_name), kept);
            account.end(flight);
        });
        ticket
    }

    /// It failed, and with it those who wait.
    pub(super) fn fail(self, error: MechanismError, now: SystemTime) -> MechanismError {
        self.with_account(now, |account, flight| {
            // Before the flight ends: whoever is woken by that has to find the refusal, or would show the password
            // again.
            account.refuse(&error, now);
            account.is_unanswered |= error.kind() == ErrorKind::Unavailable && flight.is_first_of_own();
            account.end(flight);
        });
        self.flight.end(Err(error.clone()));
        error
    }

    fn with_account(&self, now: SystemTime, change: impl FnOnce(&mut Account, &Arc<Flight>)) {
        let mut table = self.accounts.lock();
        change(table.account(&self.identity, now), &self.flight);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if let Some(account) = self.accounts.lock().accounts.get_mut(&self.identity) {
            // Whoever has asked did not wait for the answer.
            account.is_unanswered |= account.end(&self.flight) && self.flight.is_first_of_own();
        }
        // Without an error: nobody has refused anything, and the next one of those who wait leads.
        self.flight.end(Ok(()));
    }
}

/// Whether a ticket holds for a while.
fn is_fresh(ticket: &GrantedTicket, now: SystemTime) -> bool {
    let left = ticket.ends().duration_since(now).unwrap_or_default();
    left > MARGIN.min(ticket.lifetime() / 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mechanism::kerberos::crypto::EncryptionType;
    use crate::mechanism::kerberos::exchange::tests::{kdc, service_ticket};
    use crate::mechanism::kerberos::messages::PrincipalName;

    #[test]
    fn so_many_users_are_known_and_who_was_unused_for_longest_goes_first() {
        let mut table = Table::default();
        let mut was_known = |user: usize| {
            let client = Principal::new(PrincipalName::user(format!("user{user}")), "LAB.TEST");
            let identity = Identity::new(client, Credentials::password(format!("user{user}"), "pw"));
            let account = table.account(&Arc::new(identity), SystemTime::UNIX_EPOCH);
            let was_known = std::mem::replace(&mut account.was_taken, true);
            assert!(table.accounts.len() <= MAX_ACCOUNTS);
            was_known
        };
        was_known(0);
        for user in 1..2 * MAX_ACCOUNTS {
            assert!(!was_known(user) && was_known(0));
        }
        assert!(!was_known(1));
    }

    #[test]
    fn an_attempt_that_was_given_up_had_no_answer_from_a_kdc() {
        let accounts = Arc::new(Accounts::default());
        let (now, target) = (SystemTime::UNIX_EPOCH, Arc::from("HTTP/host"));
        let lead = |user: &str, carrier: &Carrier| {
            let client = Principal::new(PrincipalName::user(user), "LAB.TEST");
            let identity = Arc::new(Identity::new(client, Credentials::password(user, "pw")));
            match accounts.find(&identity, &target, carrier, now) {
                Found::Leads(lead) => lead,
                _ => panic!("{user} waits for nobody"),
            }
        };
        for (user, carrier, is_unanswered) in
            [("alice", Carrier::Own, true), ("bob", Carrier::Server(Arc::from("HTTP/host")), false)]
        {
            let first = lead(user, &carrier);
            assert!(!first.is_unanswered, "{user}");
            drop(first);
            assert_eq!(lead(user, &carrier).is_unanswered, is_unanswered, "{user}");
        }
    }

    #[test]
    fn what_has_failed_otherwise_has_had_an_answer() {
        for (kind, is_unanswered) in [(ErrorKind::TicketRefused, false), (ErrorKind::Unavailable, true)] {
            let accounts = Arc::new(Accounts::default());
            let (now, target) = (SystemTime::UNIX_EPOCH, Arc::from("HTTP/host"));
            let client = Principal::new(PrincipalName::user("alice"), "LAB.TEST");
            let identity = Arc::new(Identity::new(client, Credentials::password("alice", "pw")));
            let lead = || match accounts.find(&identity, &target, &Carrier::Own, now) {
                Found::Leads(lead) => lead,
                _ => panic!("nobody else leads"),
            };
            let error = lead().fail(MechanismError::new(kind, "in words"), now);
            assert_eq!(error.kind(), kind);
            assert_eq!(lead().is_unanswered, is_unanswered, "{kind:?}");
        }
    }

    #[test]
    fn so_many_tickets_are_kept_and_of_all_users_the_one_unused_for_longest_goes_first() {
        let (_, ticket) = service_ticket(EncryptionType::Aes128Sha1);
        let now = kdc::now();
        let user = |name: &str| Principal::new(PrincipalName::user(name), "LAB.TEST");
        let identities = ["alice", "bob"]
            .map(|name| Arc::new(Identity::new(user(name), Credentials::password(name, "pw"))));
        let mut table = Table::default();
        // Bob's three were used before those of alice.
        for number in 0..MAX_TICKETS {
            table.drop_ticket();
            let identity = &identities[usize::from(number < 3)];
            let account = table.account(identity, now);
            let kept = Kept { ticket: Arc::clone(&ticket), since: now, used: account.used };
            account.services.insert(format!("HTTP/host{number}").into(), kept);
        }
        let kept = |table: &Table| identities.clone().map(|who| table.accounts[&who].services.len());
        assert_eq!(kept(&table), [MAX_TICKETS - 3, 3], "there was room for each");

        assert!(table.account(&identities[1], now).service(&"HTTP/host0".into(), now).is_some());
        table.drop_ticket();
        assert_eq!(kept(&table), [MAX_TICKETS - 3, 2]);
        let bobs = &table.accounts[&identities[1]].services;
        assert!(!bobs.contains_key("HTTP/host1"), "it was unused for longest");
        table.drop_ticket();
        assert_eq!(kept(&table), [MAX_TICKETS - 3, 2], "there is room for one more");
    }

    #[test]
    fn nothing_of_a_user_is_printed() {
        let flight = Flight::new(Wanted::First, Carrier::Own, SystemTime::UNIX_EPOCH);
        assert_eq!(format!("{flight:?}"), "Flight { wanted: First, carrier: Own, .. }");
        assert_eq!(format!("{:?}", Accounts::default()), "Accounts(..)");
    }
}
