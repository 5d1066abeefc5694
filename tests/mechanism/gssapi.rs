//! The system's GSS-API, with the lab's Apache as the acceptor.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use legwork::Credentials;
use legwork::mechanism::gssapi::Gssapi;
use legwork::mechanism::spnego::Spnego;
use legwork::mechanism::{Binding, Mechanism};
use legwork::testing::{Accept, Acceptor};

use crate::suite::Pair;

/// The lines of the running lab's `env`.
fn lab() -> HashMap<String, String> {
    let path = std::env::var("LEGWORK_LAB").expect("LEGWORK_LAB is set: start these tests with tests/run");
    let text = std::fs::read_to_string(path).expect("the lab is up");
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// A location of Apache that wants Kerberos, each request for itself.
struct Apache {
    address: String,
}

impl Apache {
    fn ask(&self, token: &[u8]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        let token = STANDARD.encode(token);
        write!(
            stream,
            "GET /krb/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Negotiate {token}\r\n\r\n"
        )?;
        let mut response = Vec::new();
        stream.read_to_end(&mut response)?;
        Ok(String::from_utf8_lossy(&response).into_owned())
    }
}

impl Acceptor for Apache {
    fn step(&mut self, token: &[u8]) -> Accept {
        let response = self.ask(token).expect("Apache answers");
        let field = |name: &str| {
            let value = |line: &str| {
                Some(line.split_once(": ").filter(|it| it.0.eq_ignore_ascii_case(name))?.1.to_owned())
            };
            response.lines().find_map(value)
        };
        let token = field("www-authenticate")
            .and_then(|value| STANDARD.decode(value.strip_prefix("Negotiate ")?).ok());
        match (response.starts_with("HTTP/1.1 200"), token) {
            (true, token) => {
                Accept::Accepted { user: field("x-remote-user").unwrap_or_default(), token, integrity: None }
            }
            (false, token) => Accept::Refused { why: "Apache refuses".to_owned(), token },
        }
    }
}

fn check(mechanism: impl Mechanism + 'static) {
    let lab = lab();
    let address = lab["APACHE_HTTP"].trim_start_matches("http://").to_owned();
    // Not the owner of the default cache, in whose name a library might log in as well.
    let user = |password: &str| Credentials::password(lab["KRB5_USER_BOB"].as_str(), password);
    let pair = Pair {
        mechanism: Arc::new(mechanism),
        acceptor: Box::new(move || Box::new(Apache { address: address.clone() })),
        target_name: "HTTP/localhost",
        right: user(&lab["KRB5_PASSWORD_BOB"]),
        wrong: user("wrong-pw"),
        established: ("Kerberos", Binding::Request),
    };
    pair.check();
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn kerberos_of_gss_api_keeps_to_the_suite() {
    check(Gssapi::kerberos());
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn spnego_of_gss_api_keeps_to_the_suite() {
    check(Gssapi::spnego());
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn kerberos_of_gss_api_in_our_spnego_keeps_to_the_suite() {
    check(Spnego::new(vec![Arc::new(Gssapi::kerberos())]));
}
