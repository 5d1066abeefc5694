//! What is there in place of PAC files in a program that was built without them.

use std::convert::Infallible;

use http::Uri;
use rustls::ClientConfig;

/// None can be had.
pub(crate) struct Pac(Infallible);

pub(super) struct Told {
    pub(super) proxies: Result<String, String>,
    pub(super) alerts: Vec<String>,
}

impl Pac {
    pub(crate) async fn load(source: &str, _: &ClientConfig) -> Result<Self, String> {
        Err(format!(
            "{source} is a PAC file, and this program was built without them: cargo install legwork-cli --features pac"
        ))
    }

    pub(crate) async fn reload(&self) -> Result<(), String> {
        match self.0 {}
    }

    pub(crate) fn name(&self) -> String {
        match self.0 {}
    }

    pub(crate) fn is_remote(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn unchecked(&self) -> Option<String> {
        match self.0 {}
    }

    pub(super) async fn find(&self, _: &Uri) -> Told {
        match self.0 {}
    }
}
