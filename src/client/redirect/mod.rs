//! Redirects, with each origin's credentials only for that origin.
//!
//! Following them belongs above the login: [`FollowRedirects`] goes around
//! [`Client`](crate::Client), and every request that it makes of a redirect logs in, waits and is
//! refused as any other does. The client over reqwest has it built in
//! (`client::reqwest::Client::follow_redirects`).
//!
//! ```no_run
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use legwork::client::redirect::{FollowRedirects, Redirected};
//! use legwork::{Authenticator, Client};
//!
//! # async fn example(authenticator: Authenticator) -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder(authenticator).build_http::<Full<Bytes>>();
//! let client = FollowRedirects::new(client).repeating(|body: &Full<Bytes>| Some(body.clone()));
//! let response = client.request(Request::post("http://wiki.example/form").body("a=b".into())?).await?;
//! let redirected: Option<&Redirected> = response.extensions().get();
//! println!("{:?}", redirected.map(|it| (&it.uri, it.hops)));
//! # Ok(())
//! # }
//! ```
//!
//! # What goes along
//!
//! Within an origin (scheme, host and port), all of a request does. To another one, none of what
//! its caller gave it for the first: neither `Authorization`, `Cookie` and `Proxy-Authorization`,
//! nor any field that is marked as sensitive, nor [`Credentials`](crate::Credentials) and
//! [`ProxyCredentials`](crate::credentials::ProxyCredentials) in its extensions. They stay behind
//! for good, also if a later redirect leads back. The request then acts as whoever the
//! authenticator has for the other origin; an [`Anonymous`](crate::credentials::Anonymous) one
//! stays so. [Userinfo](crate::Client#userinfo-in-a-uri) in the request's own URI is such credentials;
//! in a `Location` it is nobody's. No `Referer` is added.
//!
//! # Methods and bodies
//!
//! As in RFC 9110, section 15.4: after a `303`, and after a `301` or `302` to a `POST`, a `GET`
//! without content follows (or a `HEAD` a `HEAD`); otherwise the same method with the same content.
//! Content goes out again if [`repeating`](FollowRedirects::repeating) says how to have it again.
//!
//! What is not followed is delivered, with the reason ([`Stopped`]) in its extensions: redirects
//! past the [limit](Redirects::limit), from https to http, to no `http` or `https` URI, or with
//! content that cannot be had again.
//!
//! An empty `Location` leads nowhere, although RFC 3986 reads it as the URI of the request itself. One
//! that is only a fragment (`#top`) leads there: after a `POST` that is how a page shows itself
//! again, and a circle ends at the limit. curl and browsers do the same.
//!
//! # Why not tower-http's
//!
//! tower-http's `FollowRedirect` drops a redirect's response unread, and so each redirect that has
//! content would close the connection, with the login on it. A policy of its sees no responses, and
//! cannot help it. Nor does it let a request's extensions go along: at the next hop, in the same
//! origin too, a request with credentials of its own would act as the authenticator's user. And its
//! `FilterCredentials` (0.6) compares each hop only with the one before it, whereas the fields
//! begin anew at each: `Authorization` would be back at the second hop within another origin.

mod follow;
mod head;
mod location;
mod policy;

pub use follow::{FollowRedirects, FollowRedirectsLayer};
pub use policy::{Redirected, Redirects, Stopped};

#[cfg(feature = "reqwest")]
pub(super) use follow::follow;
