//! Windows' SSPI, with the embedded server's acceptors and with its own.

mod acceptor;

use std::sync::Arc;

use legwork::mechanism::ntlm::Ntlm;
use legwork::mechanism::spnego::Spnego;
use legwork::mechanism::sspi::Sspi;
use legwork::testing::Acceptor;

use self::acceptor::SspiAcceptor;
use crate::ours::{by_ntlm, ntlm_acceptor, spnego_acceptor};

fn sspi_ntlm() -> Box<dyn Acceptor> {
    Box::new(SspiAcceptor::new("NTLM"))
}

fn sspi_negotiate() -> Box<dyn Acceptor> {
    Box::new(SspiAcceptor::new("Negotiate"))
}

#[test]
fn ntlm_of_sspi_keeps_to_the_suite() {
    by_ntlm(Sspi::ntlm(), ntlm_acceptor).check();
}

#[test]
fn negotiate_of_sspi_keeps_to_the_suite() {
    by_ntlm(Sspi::negotiate(), spnego_acceptor).check();
}

#[test]
fn ntlm_of_sspi_in_our_spnego_keeps_to_the_suite() {
    by_ntlm(Spnego::new(vec![Arc::new(Sspi::ntlm())]), spnego_acceptor).check();
}

#[test]
fn both_sides_of_sspi_keep_to_the_suite() {
    by_ntlm(Sspi::ntlm(), sspi_ntlm).check();
    by_ntlm(Sspi::negotiate(), sspi_negotiate).check();
}

#[test]
fn our_ntlm_keeps_to_the_suite_where_sspi_accepts() {
    by_ntlm(Ntlm::new(), sspi_ntlm).check();
}
