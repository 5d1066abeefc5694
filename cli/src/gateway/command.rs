//! The command: from its arguments to its end.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use http::Uri;
use legwork::client::proxy::Proxies;
#[cfg(unix)]
use legwork::mechanism::gssapi::Gssapi;
#[cfg(unix)]
use legwork::scheme::Negotiate;
use legwork::{Authenticator, Origin};
use tokio::net::TcpListener;

use crate::account::Who;
use crate::chain::chain;
use crate::exit::Exit;
use crate::output::complain;

use super::arguments::Arguments;
use super::files;
use super::proxy::{Counts, ForwardProxy, Limits, Upstream};
use super::signals::Signals;

/// Serves until it is told to stop.
pub(crate) async fn run(arguments: Arguments) -> Exit {
    match serve(arguments).await {
        Ok(()) => Exit::Done,
        Err((exit, why)) => {
            complain(format_args!("legwork: {why}"));
            exit
        }
    }
}

async fn serve(arguments: Arguments) -> Result<(), (Exit, String)> {
    arguments.check().map_err(|why| (Exit::Usage, why))?;
    let mut limits = arguments.limits();
    keep_to_the_files(&mut limits);
    let proxies = arguments.way.proxies().map_err(|why| (Exit::Url, why))?;
    let authenticator = authenticator(&arguments, &proxies).map_err(|why| (Exit::Usage, why))?;
    let tls = arguments.way.tls().map_err(|why| (Exit::Tls, why))?;
    let proxy = ForwardProxy::new(Upstream::new(proxies.clone(), authenticator, tls), limits);
    let cannot_listen = |error| {
        (Exit::Connect, format!("cannot listen on {}: {}", arguments.listen, chain(&error as &io::Error)))
    };
    let listener = TcpListener::bind(arguments.listen).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    if let Some(own) = upstreams(&proxies).into_iter().find(|proxy| is_at(proxy, address)) {
        return Err((
            Exit::Usage,
            format!("the proxy {own} is this gateway itself: --proxy names the one behind it"),
        ));
    }
    let no_signals = |error: io::Error| (Exit::File, format!("cannot wait for signals: {}", chain(&error)));
    let (mut first, mut again) = (Signals::new().map_err(no_signals)?, Signals::new().map_err(no_signals)?);

    // Nobody may want to read it.
    let _ = write!(
        io::stdout(),
        "listening on {address}\nexport http_proxy=http://{address}\nexport https_proxy=http://{address}\n"
    );
    let counts = proxy.counts();
    tokio::select! {
        () = proxy.serve(listener, first.stop()) => {}
        () = async { again.stop().await; again.stop().await } => {}
        () = show(&counts) => {}
    }
    tell(&counts);
    complain(&*counts);
    Ok(())
}

/// A connection that there is no descriptor for would be refused; one past the limit waits.
fn keep_to_the_files(limits: &mut Limits) {
    let Some(files) = files::limit() else { return };
    let allowed = (files.saturating_sub(files::OWN) / 2).max(1);
    if allowed < limits.connections {
        complain(format_args!(
            "{allowed} connections at a time, since there may be {files} open files: ulimit -n {} for {}",
            2 * limits.connections + files::OWN,
            limits.connections
        ));
        limits.connections = allowed;
    }
}

/// The proxies that there are, each once.
fn upstreams(proxies: &Proxies) -> Vec<Origin> {
    let mut found = Vec::new();
    for uri in ["http://upstream.invalid/", "https://upstream.invalid/"] {
        // One that speaks SOCKS is no proxy for anybody; its requests say so.
        let Ok(Some(proxy)) = proxies.of(&Uri::from_static(uri)) else { continue };
        if !found.contains(proxy.origin()) {
            found.push(proxy.origin().clone());
        }
    }
    found
}

/// Whether requests to the proxy would come back.
fn is_at(proxy: &Origin, address: std::net::SocketAddr) -> bool {
    let host = proxy.host().trim_matches(['[', ']']);
    let is_here = host.eq_ignore_ascii_case("localhost") || host.parse() == Ok(address.ip());
    is_here && proxy.port() == address.port()
}

fn authenticator(arguments: &Arguments, proxies: &Proxies) -> Result<Authenticator, String> {
    let builder = Authenticator::builder().dangerous_secrets_to_plain_http_proxies(arguments.insecure_basic);
    Ok(match arguments.account.who()? {
        Who::Nobody => builder.build(),
        Who::Netrc(netrc) => builder.provider(netrc).build(),
        Who::Known(credentials) => {
            // Elsewhere the system's own tickets are for Negotiate as it is.
            #[cfg(unix)]
            let builder = match credentials.username() {
                Some(_) => builder,
                None => builder.negotiate(Negotiate::kerberos(Gssapi::kerberos())),
            };
            upstreams(proxies)
                .into_iter()
                .fold(builder, |builder, proxy| builder.proxy_credentials(proxy, credentials.clone()))
                .build()
        }
    })
}

/// Keeps one line on a terminal up to date.
async fn show(counts: &Counts) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        tell(counts);
        if io::stderr().is_terminal() {
            let _ = write!(io::stderr(), "{counts}");
        }
    }
}

/// Clears a terminal's line, and says why something was refused: each reason once, since programs
/// seldom show what a proxy says. There may be nobody to hear it.
fn tell(counts: &Counts) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K");
    }
    for why in counts.news() {
        let _ = writeln!(stderr, "refused: {why}");
    }
}
