//! What may be concluded about credentials: evidence in, permission out.
//!
//! Servers lock an account after a few wrong passwords. What is seen of each login is
//! [`Evidence`]; what follows from all of it is [`Permission`] for the next one. The value is pure: it
//! is told the time, and waits for nobody. [`guard`](crate::handshake::guard) lets requests wait.
//!
//! Everything is kept by credentials and counted twice: in one protection space, where a proof there
//! ends it, and over all spaces, where a proof anywhere does.

mod account;
mod bounds;
mod evidence;
#[cfg(test)]
mod model;
mod pause;
mod permission;
mod record;
mod slots;
mod table;
mod targets;
#[cfg(test)]
mod tests;

pub use bounds::LockoutBounds;
pub(super) use evidence::{Evidence, ResponseReading};
pub use pause::{Pause, PauseCause};
pub(super) use permission::{Asking, Permission, RefusalVerdict, Trial};
pub(super) use targets::Target;

use std::time::Instant;

use http::Method;

use crate::credentials::Credentials;
use crate::handshake::verdicts::account::Kdc;
use crate::handshake::verdicts::table::Table;
use crate::protection_space::ProtectionSpace;

/// All that is known of all credentials.
#[derive(Clone, Debug)]
pub(super) struct Verdicts {
    bounds: LockoutBounds,
    table: Table,
}

impl Verdicts {
    pub(super) fn new(bounds: LockoutBounds) -> Self {
        Self { bounds, table: Table::default() }
    }

    /// Whether these credentials may be used for this request.
    pub(super) fn ask(&mut self, asking: &Asking<'_>, now: Instant) -> Permission {
        let target = Target::of(asking.method, asking.path);
        let Self { bounds, table, .. } = self;
        table.with(asking.credentials, asking.space, |account, space| {
            if !asking.speaks_first {
                space.challenged.note(target);
            }
            account.permit(space, asking, target, now, bounds)
        })
    }

    /// What is derived from the secret is sent.
    pub(super) fn sent(
        &mut self,
        trial: &mut Trial,
        credentials: &Credentials,
        space: &ProtectionSpace,
        now: Instant,
    ) {
        self.table.with(credentials, space, |account, space| {
            let in_space = space.record.sent(trial.in_space, now);
            trial.sent = Some((in_space, account.record.sent(trial.in_all, now)));
        });
    }

    /// A login came to an end, or to a verdict.
    pub(super) fn end(
        &mut self,
        trial: Trial,
        credentials: &Credentials,
        space: &ProtectionSpace,
        evidence: Evidence,
        now: Instant,
    ) -> RefusalVerdict {
        let Self { bounds, table, .. } = self;
        let (verdict, is_first_proof) = table.with(credentials, space, |account, space| {
            let was_proven = account.is_proven;
            // Out of the window before the verdict is looked at, which may shut it.
            account.leave(space, &trial);
            let verdict = account.conclude(space, &trial, evidence, now, bounds);
            (verdict, account.is_proven && !was_proven)
        });
        if is_first_proof {
            // Each refusal that stood is now a weak one of its space.
            table.for_each_space(credentials, |space| {
                if std::mem::take(&mut space.is_barred) {
                    space.record.forget();
                    space.record.weak = 1;
                }
            });
        }
        verdict
    }

    /// Notes a refusal that was learnt under another space, such as one without a realm.
    pub(super) fn refuse_beside(&mut self, credentials: &Credentials, space: &ProtectionSpace) {
        self.table.with(credentials, space, |account, space| {
            // A password that was accepted is not barred by what another space, which was only presumed, has said.
            if !(account.is_proven || space.is_accepted) {
                (space.is_barred, space.listens) = (true, true);
            }
        });
    }

    /// Requests for these were served on connections that were logged in.
    pub(super) fn note_served(
        &mut self,
        credentials: &Credentials,
        space: &ProtectionSpace,
        targets: impl Iterator<Item = Target>,
    ) {
        self.table
            .with(credentials, space, |_, space| targets.for_each(|target| space.accepted.note(target)));
    }

    /// Whether a request for this was ever challenged in the space.
    pub(super) fn has_challenged(
        &mut self,
        credentials: &Credentials,
        space: &ProtectionSpace,
        method: &Method,
        path: &str,
    ) -> bool {
        let target = Target::of(method, path);
        self.table.with(credentials, space, |_, space| space.challenged.contains(target))
    }

    /// Forgets refusals and pauses: each may be tried again.
    pub(super) fn forget_refusals(&mut self) {
        self.table.for_all(
            |account| {
                (account.is_shut, account.kdc) = (false, Kdc::default());
                account.record.forget();
            },
            |space| {
                (space.is_barred, space.listens, space.last_refused) = (false, false, None);
                space.record.forget();
            },
        );
    }
}
