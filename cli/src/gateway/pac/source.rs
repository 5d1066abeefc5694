//! Where a PAC file comes from.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::{StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use legwork::{Authenticator, Client};
use rustls::ClientConfig;
use tokio::io::AsyncReadExt;

use crate::chain::chain;

/// The largest file.
const LARGEST: usize = 1024 * 1024;
/// For one that is on the network.
const TIME: Duration = Duration::from_secs(10);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    File(PathBuf),
    Url(Uri),
}

impl Source {
    /// A path, or a URL of http, https or file.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        match text.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest)) {
            None => Ok(Self::File(text.into())),
            Some((scheme, rest)) if scheme == "file" => Ok(Self::File(local(rest)?)),
            Some((scheme, _)) if scheme == "http" || scheme == "https" => {
                // Without the text, which may have a password in it.
                let uri: Uri = text.parse().map_err(|_| "the PAC file's URL cannot be read")?;
                if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
                    return Err(
                        "the PAC file's URL has a user in it: it is fetched without a login".to_owned()
                    );
                }
                Ok(Self::Url(uri))
            }
            Some((scheme, _)) => {
                Err(format!("a PAC file is a path, or a URL of http, https or file, not {scheme}"))
            }
        }
    }

    /// Reads it as it is now. One of the network is fetched straight and as nobody, and no redirect is followed.
    pub(super) async fn read(&self, tls: &ClientConfig) -> Result<String, String> {
        let cannot = |why: String| format!("cannot read the PAC file {self}: {why}");
        let octets = match self {
            Self::File(path) => {
                let file = tokio::fs::File::open(path).await.map_err(|error| cannot(chain(&error)))?;
                let mut octets = Vec::new();
                let read = file.take(LARGEST as u64 + 1).read_to_end(&mut octets).await;
                read.map_err(|error| cannot(chain(&error)))?;
                octets
            }
            Self::Url(url) => match tokio::time::timeout(TIME, fetch(url, tls)).await {
                Ok(fetched) => fetched.map_err(cannot)?,
                Err(_) => return Err(cannot(format!("it did not come within {TIME:?}"))),
            },
        };
        if octets.len() > LARGEST {
            return Err(cannot(format!("it is larger than {LARGEST} octets")));
        }
        let text = String::from_utf8_lossy(&octets);
        Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
    }
}

/// The path of a URL, with or without a host that is this one.
fn local(rest: &str) -> Result<PathBuf, String> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err("a file URL is file:///path".to_owned());
    }
    let mut octets = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(octet) = rest.next() {
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        octets.push(match octet {
            b'%' => match (digit(), digit()) {
                (Some(high), Some(low)) => (high * 16 + low) as u8,
                _ => return Err("a % in a file URL has two digits behind it".to_owned()),
            },
            octet => octet,
        });
    }
    let path = String::from_utf8(octets).map_err(|_| "a file URL is UTF-8")?;
    // C:\ is /C:/ there.
    let drive = path.as_bytes().get(2) == Some(&b':') && cfg!(windows);
    Ok(if drive { path[1..].into() } else { path.into() })
}

async fn fetch(url: &Uri, tls: &ClientConfig) -> Result<Vec<u8>, String> {
    let client: Client<String> =
        Client::builder(Authenticator::builder().build()).build_with_tls(tls.clone());
    let response = client.get(url.clone()).await.map_err(|error| chain(&error))?;
    if response.status() != StatusCode::OK {
        return Err(format!("the answer is {}", response.status()));
    }
    let body = Limited::new(response.into_body(), LARGEST).collect().await.map_err(|error| chain(&*error))?;
    Ok(body.to_bytes().into())
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            // A query may have a token in it.
            Self::Url(url) => {
                let host = url.authority().map_or("", |authority| authority.as_str());
                write!(f, "{}://{host}{}", url.scheme_str().unwrap_or_default(), url.path())
            }
        }
    }
}
