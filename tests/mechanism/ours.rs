//! NTLM and SPNEGO of our own, with the embedded server's acceptors.

use std::sync::Arc;
use std::time::SystemTime;

use legwork::Credentials;
use legwork::mechanism::ntlm::Ntlm;
use legwork::mechanism::spnego::Spnego;
use legwork::mechanism::{Binding, Mechanism};
use legwork::testing::{Acceptor, Users};
use legwork::unversioned::testing::{NtlmAcceptor, SpnegoAcceptor};

use crate::suite::Pair;

/// Knows carol.
pub(crate) fn ntlm_acceptor() -> Box<dyn Acceptor> {
    let users = Users::new().with("LAB\\carol", "Pässword1!");
    Box::new(NtlmAcceptor::new(Arc::new(users), [7; 8], SystemTime::now()))
}

/// The same in SPNEGO.
pub(crate) fn spnego_acceptor() -> Box<dyn Acceptor> {
    Box::new(SpnegoAcceptor::new(Ntlm::new().oid(), ntlm_acceptor()))
}

/// Carol's login by NTLM, in the end.
pub(crate) fn by_ntlm(
    mechanism: impl Mechanism + 'static,
    acceptor: impl Fn() -> Box<dyn Acceptor> + 'static,
) -> Pair {
    Pair {
        mechanism: Arc::new(mechanism),
        acceptor: Box::new(acceptor),
        target_name: "HTTP/mail.example",
        right: Credentials::password("LAB\\carol", "Pässword1!"),
        wrong: Credentials::password("LAB\\carol", "wrong-pw"),
        established: ("NTLM", Binding::Connection),
    }
}

#[test]
fn our_ntlm_keeps_to_the_suite() {
    by_ntlm(Ntlm::new(), ntlm_acceptor).check();
}

#[test]
fn our_spnego_keeps_to_the_suite() {
    by_ntlm(Spnego::new(vec![Arc::new(Ntlm::new())]), spnego_acceptor).check();
}

#[test]
fn our_spnego_keeps_to_the_suite_where_the_server_answers_bare() {
    let bare = || Box::new(SpnegoAcceptor::new(Ntlm::new().oid(), ntlm_acceptor()).answering_bare()) as _;
    by_ntlm(Spnego::new(vec![Arc::new(Ntlm::new())]), bare).check();
}
