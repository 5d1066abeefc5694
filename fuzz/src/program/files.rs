//! The program's own files, and what of them is checked here.

#[path = "../../../cli/src/doctor/kerberos/ccache.rs"]
mod ccache;
#[path = "../../../cli/src/doctor/kerberos/conf.rs"]
mod conf;
#[path = "../../../cli/src/gateway/origin/cookies.rs"]
mod cookies;
#[path = "../../../cli/src/gateway/origin/names.rs"]
mod names;

use std::time::SystemTime;

use http::HeaderMap;
use legwork::Origin;

pub(super) fn contents(octets: &[u8]) -> Option<(String, Option<SystemTime>)> {
    ccache::contents(octets)
}

pub(super) struct Configuration(conf::Configuration);

impl Configuration {
    /// Includes nothing.
    pub(super) fn read(text: &str) -> Self {
        let mut read = conf::Configuration::default();
        read.text(text, conf::MAX_DEPTH);
        Self(read)
    }

    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        self.0.setting(name)
    }

    pub(super) fn realm_of(&self, host: &str) -> Option<&str> {
        self.0.realm_of(host)
    }

    pub(super) fn kdcs(&self, realm: &str) -> Vec<&str> {
        self.0.kdcs(realm)
    }
}

#[derive(Default)]
pub(super) struct Jar(cookies::Jar);

impl Jar {
    pub(super) fn take_from(&self, fields: &mut HeaderMap, path: &str, origin: &Origin) {
        self.0.take_from(fields, path, origin);
    }

    pub(super) fn add_to(&self, fields: &mut HeaderMap, path: &str) {
        self.0.add_to(fields, path);
    }
}

pub(super) fn put_right_in_response(fields: &mut HeaderMap, origin: &Origin, own: &str) {
    names::Names { origin, own }.put_right_in_response(fields);
}

pub(super) fn put_right_in_request(fields: &mut HeaderMap, origin: &Origin, own: &str) {
    names::Names { origin, own }.put_right_in_request(fields);
}
