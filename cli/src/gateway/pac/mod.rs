//! Proxies by a PAC file: a script that is asked for each request.
//!
//! It comes from whoever runs the network, and over plain http from whoever is in between. So it may only say where requests
//! go: it runs within bounds of its own, it is not told what TLS would hide, and nobody is logged in because it says so.

mod addresses;
mod engine;
mod names;
#[cfg(test)]
mod oracle;
mod script;
mod source;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use http::Uri;
use rustls::ClientConfig;

use self::names::Names;
use self::script::{Answer, Script};
use self::source::Source;

/// A PAC file that can be asked.
pub(crate) struct Pac {
    source: Source,
    tls: ClientConfig,
    names: Arc<Names>,
    /// The last one that could be read.
    script: Mutex<Arc<Script>>,
}

/// What a PAC file says of a URL.
pub(super) struct Told {
    /// The list of proxies, or why there is none.
    pub(super) proxies: Result<String, String>,
    /// What it says by `alert`.
    pub(super) alerts: Vec<String>,
}

impl Pac {
    /// Reads one, from a path or from an http, https or file URL.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub(crate) async fn load(source: &str, tls: &ClientConfig) -> Result<Self, String> {
        Self::with(source, tls, Names::of_the_system()).await
    }

    async fn with(source: &str, tls: &ClientConfig, names: Names) -> Result<Self, String> {
        let (source, names) = (Source::new(source)?, Arc::new(names));
        let script = read(&source, tls, &names).await?;
        Ok(Self { source, tls: tls.clone(), names, script: Mutex::new(Arc::new(script)) })
    }

    /// One with this text.
    #[cfg(test)]
    pub(in crate::gateway) async fn of(script: &str) -> Self {
        let names = Arc::new(Names::of_the_system());
        let read = Script::new(script.to_owned(), Arc::clone(&names)).await.expect("a script");
        let tls = crate::trust::trusting(None, false).expect("the usual");
        Self { source: Source::File("proxy.pac".into()), tls, names, script: Mutex::new(Arc::new(read)) }
    }

    /// Reads it again.
    ///
    /// # Errors
    ///
    /// A sentence for the user; then the one that was read before stays.
    pub(crate) async fn reload(&self) -> Result<(), String> {
        let script = Arc::new(read(&self.source, &self.tls, &self.names).await?);
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = script;
        Ok(())
    }

    /// Where it comes from, without what may be secret in that.
    pub(crate) fn name(&self) -> String {
        self.source.to_string()
    }

    /// Whether it is on the network, and may change without a word.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.source, Source::Url(_))
    }

    /// What may be in it that its author did not write, as a sentence for the user.
    pub(crate) fn unchecked(&self) -> Option<String> {
        let Source::Url(url) = &self.source else { return None };
        (url.scheme_str() == Some("http")).then(|| {
            format!(
                "{}: without TLS, whoever is in between can change it, and read what goes through the proxies it names",
                self.source
            )
        })
    }

    /// Asks for the proxies of an absolute `http` or `https` URI.
    pub(super) async fn find(&self, uri: &Uri) -> Told {
        let script = Arc::clone(&self.script.lock().unwrap_or_else(PoisonError::into_inner));
        let Some((url, host)) = told(uri) else {
            return Told { proxies: Err("the URL has no host".to_owned()), alerts: Vec::new() };
        };
        let Answer { found, alerts } = script.find(&url, &host).await;
        Told { proxies: found.map_err(|error| error.to_string()), alerts }
    }
}

async fn read(source: &Source, tls: &ClientConfig, names: &Arc<Names>) -> Result<Script, String> {
    let text = source.read(tls).await?;
    Script::new(text, Arc::clone(names)).await.map_err(|error| format!("{source}: {error}"))
}

/// URL and host as a script gets them: of https neither path nor query, which TLS hides from the network and a script could
/// tell it, by names that it looks up and proxies that it chooses. Nobody gets a user, a password or a fragment.
fn told(uri: &Uri) -> Option<(String, String)> {
    let (scheme, host) = (uri.scheme_str()?, uri.host()?.to_ascii_lowercase());
    let (usual, path) = match scheme {
        "http" => (80, uri.path_and_query().map_or("/", |path| path.as_str())),
        _ => (443, "/"),
    };
    let port = uri.port_u16().filter(|port| *port != usual).map(|port| format!(":{port}"));
    let url = format!("{scheme}://{host}{}{path}", port.unwrap_or_default());
    Some((url, host.trim_matches(['[', ']']).to_owned()))
}
