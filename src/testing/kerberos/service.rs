//! What tickets are shown to.

use std::fmt;
use std::sync::Arc;

use super::core::Core;
use super::kdc::{Kdc, principal_name};
use crate::channel_bindings::ChannelBindings;
use crate::mechanism::kerberos::exchange::{Carried, Principal};
use crate::mechanism::kerberos::server::{
    Accepted, BindingsRule, Iakerb, Rejected, Relayed, Service, WithoutRealm,
};
use crate::mechanism::oid;
use crate::testing::acceptor::{Accept, Acceptor};
use crate::testing::persistence::Persistence;
use crate::testing::spnego::SpnegoAcceptor;

/// A service of a [`Kdc`], which makes acceptors for [`Server`](crate::testing::Server)s. Clones remember together which tokens were
/// here before.
///
/// ```
/// use legwork::testing::{Kdc, Offer, Server};
///
/// let kdc = Kdc::builder("LAB.TEST").user("alice", "alice-pw").service("HTTP/www.lab.test").build();
/// let service = kdc.service("HTTP/www.lab.test");
/// // Kerberos, and IAKERB for clients that reach no KDC, both inside SPNEGO.
/// let builder = Server::builder().offer(Offer::kerberos_and_iakerb(&service));
/// ```
///
/// With NTLM besides, which [`Offer::Negotiate`](crate::testing::Offer::Negotiate) is without them:
///
/// ```
/// # use legwork::testing::{Kdc, Offer, Server};
/// # let kdc = Kdc::builder("LAB.TEST").user("alice", "alice-pw").service("HTTP/www.lab.test").build();
/// let service = kdc.service("HTTP/www.lab.test");
/// let builder = Server::builder()
///     .user("alice", "alice-pw")
///     .offer(Offer::Negotiate)
///     .spnego(move |acceptor| acceptor.with_kerberos(&service).with_iakerb(&service));
/// ```
#[derive(Clone)]
pub struct KerberosService {
    kdc: Arc<Core>,
    service: Arc<Service>,
    persistence: Option<Persistence>,
    cookie: Option<Vec<u8>>,
    without_realm: WithoutRealm,
}

impl KerberosService {
    pub(super) fn new(kdc: Arc<Core>, service: Service) -> Self {
        Self {
            kdc,
            service: Arc::new(service),
            persistence: Some(Persistence::Forgotten),
            cookie: None,
            without_realm: WithoutRealm::Refused,
        }
    }

    /// Refuses clients that send other channel bindings than these, or none although they say that they know them, as Windows' do:
    /// Extended Protection, set to "accept". By default nobody looks at them.
    #[must_use]
    pub fn accept_channel_bindings(self, bindings: ChannelBindings) -> Self {
        self.with_bindings(BindingsRule::Accepted(bindings))
    }

    /// Refuses clients that do not send these channel bindings: Extended Protection, set to "required".
    #[must_use]
    pub fn require_channel_bindings(self, bindings: ChannelBindings) -> Self {
        self.with_bindings(BindingsRule::Required(bindings))
    }

    fn with_bindings(mut self, rule: BindingsRule) -> Self {
        self.service = Arc::new(Service::clone(&self.service).with_bindings(rule));
        self
    }

    /// Keeps a connection logged in by Kerberos for as long as it lives, and says so or not. By default a login by Kerberos is for the
    /// one request, as with Apache's mod_auth_gssapi; one by IAKERB is always for the connection. A
    /// [`Quirk::Persistence`](crate::testing::Quirk::Persistence) takes precedence.
    #[must_use]
    pub fn persistence(mut self, persistence: Option<Persistence>) -> Self {
        self.persistence = persistence;
        self
    }

    /// Sends a cookie with what a KDC says by IAKERB, and wants to have it back.
    #[must_use]
    pub fn iakerb_cookie(mut self, cookie: impl Into<Vec<u8>>) -> Self {
        self.cookie = Some(cookie.into());
        self
    }

    /// Takes messages to a KDC that name no realm, by IAKERB, as ones to this realm's, as Windows does. MIT's acceptor refuses them, and so
    /// does this one by default.
    #[must_use]
    pub fn iakerb_without_realm(mut self) -> Self {
        self.without_realm = WithoutRealm::OurRealm;
        self
    }

    /// Returns the accepting side of Kerberos, for one login.
    pub fn kerberos(&self) -> KerberosAcceptor {
        KerberosAcceptor(self.clone())
    }

    /// The accepting side of IAKERB, for one login.
    pub fn iakerb(&self) -> IakerbAcceptor {
        let realm = self.kdc.with_kdc(|kdc| kdc.realm().to_owned());
        let mut login = Iakerb::new(realm).with_messages_without_realm(self.without_realm);
        if let Some(cookie) = &self.cookie {
            login = login.with_cookie(cookie.clone());
        }
        IakerbAcceptor { service: self.clone(), login }
    }
}

impl fmt::Debug for KerberosService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KerberosService")
            .field("service", &self.service)
            .field("persistence", &self.persistence)
            .finish_non_exhaustive()
    }
}

impl Kdc {
    /// Returns a service of this KDC, from the acceptors' side: it has the service's key.
    ///
    /// # Panics
    ///
    /// If the KDC does not know the service.
    pub fn service(&self, name: &str) -> KerberosService {
        let principal_name = principal_name(name);
        let service = self.core.with_kdc(|kdc| {
            let key = kdc.service_key(&principal_name).cloned();
            key.map(|key| Service::new(Principal::new(principal_name, kdc.realm()), key))
        });
        let service = service.unwrap_or_else(|| panic!("the KDC has no service {name}"));
        KerberosService::new(self.core.clone(), service)
    }
}

/// The accepting side of Kerberos (RFC 4121), for one login: an AP-REQ in, an AP-REP out.
#[derive(Debug)]
pub struct KerberosAcceptor(KerberosService);

impl Acceptor for KerberosAcceptor {
    fn step(&mut self, token: &[u8]) -> Accept {
        let Self(KerberosService { kdc, service, .. }) = self;
        match service.accept(token, Carried::Kerberos, &kdc.moment()) {
            Ok(accepted) => accept(accepted),
            Err(rejected) => refuse(rejected),
        }
    }

    fn persistence(&self) -> Option<Persistence> {
        self.0.persistence
    }
}

/// The accepting side of IAKERB (draft-ietf-kitten-iakerb-03), for one login: it carries the client's messages to the KDC and
/// takes the ticket that comes of them. It behaves like MIT's of krb5 1.22.
#[derive(Debug)]
pub struct IakerbAcceptor {
    service: KerberosService,
    login: Iakerb,
}

impl Acceptor for IakerbAcceptor {
    fn step(&mut self, token: &[u8]) -> Accept {
        let KerberosService { kdc, service, .. } = &self.service;
        let ask = |realm: &str, request: &[u8]| kdc.relay(realm, request);
        match self.login.step(token, service, ask, &kdc.moment()) {
            Relayed::Continue(token) => Accept::Continue(token),
            Relayed::Accepted(accepted) => accept(*accepted),
            Relayed::Rejected(rejected) => refuse(rejected),
        }
    }
}

fn accept(accepted: Accepted) -> Accept {
    let Accepted { client, token, mics } = accepted;
    Accept::Accepted { user: client.to_string(), token, integrity: Some(Box::new(mics)) }
}

fn refuse(rejected: Rejected) -> Accept {
    Accept::Refused { why: rejected.why, token: rejected.token }
}

impl SpnegoAcceptor {
    /// SPNEGO with Kerberos by this service.
    pub fn kerberos(service: &KerberosService) -> Self {
        Self::new(oid::KERBEROS, Box::new(service.kerberos()))
    }

    /// The same with Kerberos by this service besides.
    #[must_use]
    pub fn with_kerberos(self, service: &KerberosService) -> Self {
        self.with_mechanism(oid::KERBEROS, Box::new(service.kerberos()))
    }

    /// The same with IAKERB by this service besides.
    #[must_use]
    pub fn with_iakerb(self, service: &KerberosService) -> Self {
        self.with_mechanism(oid::IAKERB, Box::new(service.iakerb()))
    }
}
