//! Client-side HTTP authentication: Negotiate (Kerberos and NTLM), NTLM, SCRAM, Digest, Bearer and
//! Basic, as a tower layer and as a hyper client.
//!
//! Some logins take more than a header field. Exchange, SharePoint, IIS and WinRM answer
//! `401 WWW-Authenticate: Negotiate` or `NTLM`, and then expect several messages back and forth, all on
//! the same connection. This crate answers the challenge, completes the handshake on the connection on which it
//! began, and returns the response to the request.
//!
//! # A client that logs in
//!
//! ```no_run
//! # #[cfg(feature = "client")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use bytes::Bytes;
//! use http_body_util::{BodyExt, Full};
//! use legwork::{Authenticator, Client, Credentials, Outcome};
//!
//! let carol = Credentials::password("LAB\\carol", "carol-pw");
//! let authenticator = Authenticator::builder().credentials("http://wiki.example".parse()?, carol).build();
//! let client = Client::builder(authenticator).build_http::<Full<Bytes>>();
//!
//! let response = client.get("http://wiki.example/page".parse()?).await?;
//! match response.extensions().get() {
//!     Some(Outcome::LoggedIn(login)) => println!("logged in by {} in {} legs", login.scheme, login.legs),
//!     Some(Outcome::Refused(refusal)) => println!("{refusal}"),
//!     _ => println!("no login was asked for"),
//! }
//! println!("{:?}", response.into_body().collect().await?.to_bytes());
//! # Ok(())
//! # }
//! ```
//!
//! [`Client`] keeps a pool of connections, by origin and identity. `client::proxy` takes requests through proxies,
//! and `client::redirect` follows redirects. In a client of your own, [`service::AuthenticateLayer`] wraps any
//! `tower` service that is *one connection*. Other transports can drive [`unversioned::handshake`], the same state
//! machine without IO. The [`manual`] has a page on each larger topic.
//!
//! # Words
//!
//! A *challenge* is what a server or proxy (the *challenger*) asks for; *credentials* are what the
//! user holds; an *authorization* is the field value that answers (RFC 9110, section 11). A *leg*
//! is one request and its response. A *mechanism* makes tokens out of credentials, and its
//! *security context* is continued with each token of the peer (RFC 2743); HTTP carries them in a
//! *scheme*. *Channel bindings* tie a login to its TLS connection (RFC 5929). A *lease* is a
//! connection checked out of the pool for one request, and an *identity* is who it acts as.
//!
//! # Who gets the secret
//!
//! Credentials belong to one origin (scheme, host and port) and go nowhere else. A connection
//! that has carried one identity's handshake serves no other. A wrong password is tried once,
//! whatever the number of requests, and no other scheme gets it. Basic and Bearer go only over https
//! unless [`dangerous_secrets_over_plain_http`] (for origins) or
//! [`dangerous_secrets_to_plain_http_proxies`] (for proxies) says otherwise. Over https a login is tied to its
//! TLS connection by [`channel_bindings`], so that nobody in between can pass it on to a server
//! that looks at them. Secrets are wiped when they are
//! dropped, and nothing prints them.
//!
//! [`dangerous_secrets_to_plain_http_proxies`]: handshake::AuthenticatorBuilder::dangerous_secrets_to_plain_http_proxies
//! [`dangerous_secrets_over_plain_http`]: handshake::AuthenticatorBuilder::dangerous_secrets_over_plain_http
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | | | the grammar, mechanisms, schemes, the handshake and the tower layer: no IO, no runtime |
//! | `client` | yes | [`Client`]: hyper, the pool, tokio's timers |
//! | `rustls` | yes | https for `Client`, trusting what the operating system trusts, or your `ClientConfig` |
//! | `native-tls` | | https for `Client` by the system's TLS; on Linux OpenSSL (`libssl-dev` and `pkg-config` to build) |
//! | `http2` | | HTTP/2 for `Client` (`ClientBuilder::http2`) |
//! | `reqwest` | | a client over reqwest (`client::reqwest`), with TLS if the program's own reqwest has it |
//! | `reqwest-rustls`, `reqwest-native-tls` | | TLS for it, and logins that are tied to TLS; with the first, a plain `reqwest::Client::new()` wants a crypto provider |
//! | `form`, `json`, `multipart`, `query` | | reqwest's features of the same names, for its requests |
//! | `sspi` | yes | on Windows, Negotiate and NTLM by the system (`mechanism::sspi`), for the logged-on user too; on other systems nothing at all |
//! | `kerberos` | | Kerberos and IAKERB by a password (`mechanism::kerberos`), without a system library |
//! | `gssapi` | | Kerberos on unix (`mechanism::gssapi`), by the system's library, opened at run time |
//! | `saslprep` | | names and passwords outside ASCII in SCRAM |
//! | `testing` | | an embedded server that demands authentication, for tests of your own |
//! | `tracing` | | spans and events for the crate `tracing`, by [names that are kept](manual::tracing) |
//!
//! # Versions
//!
//! What is public follows [semantic versioning](https://semver.org), except for the module [`unversioned`], which may
//! change in any release. Types of these crates are part of the API, so a breaking release of one of them, if we follow
//! it, is a breaking release of ours: [`http`], [`http_body`], [`bytes`], [`tower_service`] and [`tower_layer`]; with the
//! client `hyper` and `hyper_util`; with their features `rustls` and `native_tls` (in `client::connect`), `reqwest` (in
//! `client::reqwest`) and `serde`, of which only the trait `Serialize` is used. All but `serde` are re-exported, so that
//! a program can name exactly the versions that are meant.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod authorization;
pub mod challenge;
pub mod channel_bindings;
#[cfg(feature = "client")]
pub mod client;
pub mod credentials;
mod der;
pub mod handshake;
pub mod manual;
pub mod mechanism;
pub mod protection_space;
pub mod scheme;
pub mod service;
mod stack;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod token68;
pub mod unversioned;

pub use ::{bytes, http, http_body, tower_layer, tower_service};
#[cfg(feature = "client")]
pub use ::{hyper, hyper_util};
#[cfg(feature = "client")]
pub use client::Client;
pub use credentials::Credentials;
pub use handshake::{Authenticator, Outcome};
pub use protection_space::Origin;

#[cfg(all(doctest, unix, feature = "gssapi", feature = "json", feature = "reqwest-rustls"))] // what it shows
#[doc = include_str!("../README.md")]
struct Readme;
