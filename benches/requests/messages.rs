use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use legwork::Credentials;
use legwork::mechanism::ntlm::Ntlm;
use legwork::mechanism::{Initiate, Mechanism, Moment, SecurityContext, Step};
use legwork::testing::{Accept, Acceptor, Users};
use legwork::unversioned::testing::NtlmAcceptor;

use crate::server::{PASSWORD, USER};
use crate::subject::Drive;

/// NTLM's messages without a connection: the first one, or the first and the last. The challenge is the same each
/// time. The difference between the two rows is what the last message costs.
pub(crate) struct Messages {
    credentials: Credentials,
    challenge: Vec<u8>,
    is_answered: bool,
}

impl Messages {
    pub(crate) fn new(is_answered: bool) -> Self {
        let credentials = Credentials::password(USER, PASSWORD);
        let users = Arc::new(Users::new().with(USER, PASSWORD));
        let acceptor = NtlmAcceptor::new(users, [1; 8], SystemTime::now());
        let mut acceptor = acceptor.names("DC-EUROPE-7.corp.lab.test", "corp.lab.test");
        let (first, _) = begin(&credentials);
        let Accept::Continue(challenge) = acceptor.step(&first) else { panic!("a challenge") };
        Self { credentials, challenge, is_answered }
    }
}

impl Drive for Messages {
    fn drive(&mut self, requests: u64) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        for _ in 0..requests {
            let (_, context) = begin(&self.credentials);
            if self.is_answered {
                let step = context.step(Some(&self.challenge)).expect("an answer");
                assert!(matches!(step, Step::Complete { token: Some(_), .. }));
            }
        }
        Box::pin(std::future::ready(()))
    }
}

fn begin(credentials: &Credentials) -> (Vec<u8>, Box<dyn SecurityContext>) {
    let arguments = Initiate::new("HTTP/mail.corp.lab.test", credentials.clone());
    match Ntlm::new().initiate(arguments, Moment::new(SystemTime::UNIX_EPOCH, [7; 32])).step(None) {
        Ok(Step::Continue { token, context, .. }) => (token, context),
        other => panic!("{other:?}"),
    }
}
