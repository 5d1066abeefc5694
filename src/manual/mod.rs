//! The manual: what does not fit beside one item.
//!
//! The examples run against the embedded server (feature `testing`) over plain http, so that they need no certificates.
//!
//! | Page | What it answers |
//! |---|---|
//! | [Schemes](schemes) | What is answered, in which order, and how many legs each scheme takes |
//! | [Affinity](affinity) | Why a login needs one connection, and why a layer over a pooled client cannot give it one |
//! | [Identities and verdicts](identities) | Who a request acts as, and when a password is not sent |
//! | [Bodies](bodies) | How often a body goes over the wire |
//! | [Proxies](proxies) | Which requests go through a proxy, and who logs in there |
//! | [Kerberos](kerberos) | The three kinds of Kerberos, and IAKERB |
//! | [Containers](containers) | Kerberos in a container that holds only the program |
//! | [Windows](windows) | Who makes the tokens on which system, and what of it has been run |
//! | [Security](security) | The defaults, and what each choice gives up |
//! | [tower and tower-http](tower) | What goes above the login, and what goes beneath it |
//! | [Testing](self::testing) | A server that verifies logins and misbehaves on request |
//! | [Extending](extending) | Writing a scheme or a mechanism |
//! | [Recipes](recipes) | Blocking use, reqwest-retry, kube, tonic, an axum reverse proxy, a keyring, tests of one's own code |
//! | [Errors](errors) | What an error says, and what may be retried |
//! | [Limits](limits) | What is bounded, by how much, and what happens past it |
//! | [Tracing](self::tracing) | What happened to a request, and why: spans, metrics, and traces that one can look at |
//! | [Costs](costs) | Instructions, allocations, crates and build times |

/// Makes a page out of the file of its name. A link to what comes with a feature leads there where the feature is
/// on, else to the [table of features](crate#features).
macro_rules! pages {
    ($($page:ident)*) => {$(
        #[doc = include_str!(concat!(stringify!($page), ".md"))]
        #[cfg_attr(feature = "testing", doc = "\n\n[`testing`]: crate::testing")]
        #[cfg_attr(not(feature = "testing"), doc = "\n\n[`testing`]: crate#features")]
        #[cfg_attr(feature = "reqwest", doc = "\n\n[`client::reqwest`]: crate::client::reqwest")]
        #[cfg_attr(not(feature = "reqwest"), doc = "\n\n[`client::reqwest`]: crate#features")]
        #[cfg_attr(all(unix, feature = "gssapi"), doc = "\n\n[`mechanism::gssapi`]: crate::mechanism::gssapi")]
        #[cfg_attr(not(all(unix, feature = "gssapi")), doc = "\n\n[`mechanism::gssapi`]: crate#features")]
        #[cfg_attr(feature = "kerberos", doc = "\n\n[`mechanism::kerberos`]: crate::mechanism::kerberos")]
        #[cfg_attr(not(feature = "kerberos"), doc = "\n\n[`mechanism::kerberos`]: crate#features")]
        #[cfg_attr(all(windows, feature = "sspi"), doc = "\n\n[`mechanism::sspi`]: crate::mechanism::sspi")]
        #[cfg_attr(not(all(windows, feature = "sspi")), doc = "\n\n[`mechanism::sspi`]: crate#features")]
        #[cfg_attr(feature = "tracing", doc = "\n\n[`service::spans`]: crate::service::spans")]
        #[cfg_attr(not(feature = "tracing"), doc = "\n\n[`service::spans`]: crate#features")]
        pub mod $page {}
    )*};
}

// Tested where the other crates are: `.ci/recipes` takes the same file.
#[cfg_attr(not(doctest), doc = include_str!("recipes.md"))]
#[cfg_attr(feature = "testing", doc = "\n\n[`testing`]: crate::testing")]
#[cfg_attr(not(feature = "testing"), doc = "\n\n[`testing`]: crate#features")]
pub mod recipes {}

pages! {
    schemes
    affinity
    identities
    bodies
    proxies
    kerberos
    containers
    windows
    security
    tower
    testing
    extending
    errors
    limits
    tracing
    costs
}
