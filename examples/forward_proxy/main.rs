//! A proxy on loopback that wants no login and goes by way of one that does, so that programs which
//! cannot log in there work behind it: cargo, uv, pip, apt, git, npm, curl.
//!
//! `cargo run --example forward_proxy -- --user 'DOMAIN\name' http://proxy.corp.example:3128`;
//! `-- --help` lists what else there is.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use legwork::{Authenticator, Credentials};
use tokio::net::TcpListener;

use crate::arguments::Arguments;
use crate::chain::chain;
use crate::output::{complain, print};
use crate::password::password;
use crate::proxy::{Counts, ForwardProxy, Limits, Upstream};
use crate::signals::Signals;

mod arguments;
#[path = "../shared/chain.rs"]
mod chain;
mod files;
#[path = "../shared/output.rs"]
mod output;
#[path = "../shared/password.rs"]
mod password;
mod proxy;
mod signals;
#[cfg(test)]
mod tests;
mod tls;
#[path = "../shared/trust.rs"]
mod trust;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return print(arguments::HELP),
        Err(misuse) => {
            complain(format_args!("{misuse} (--help lists what there is)"));
            return ExitCode::from(2);
        }
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}

async fn run(mut arguments: Arguments) -> Result<(), String> {
    keep_to_the_files(&mut arguments.limits);
    let authenticator = authenticator(&arguments)?;
    let mut upstream = Upstream::new(arguments.upstream, authenticator);
    if upstream.is_secure() {
        let tls = tls::trusting(arguments.ca.as_deref());
        upstream = upstream.tls(tls.map_err(|error| format!("TLS cannot be set up: {}.", chain(&*error)))?);
    }
    let proxy = ForwardProxy::new(upstream, arguments.limits);
    let cannot_listen = |error| format!("Cannot listen on {}: {}.", arguments.listen, chain(&error));
    let listener = TcpListener::bind(arguments.listen).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    let no_signals = |error: io::Error| format!("Cannot wait for signals: {}.", chain(&error));
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

fn authenticator(arguments: &Arguments) -> Result<Authenticator, String> {
    let builder = Authenticator::builder().dangerous_secrets_to_plain_http_proxies(arguments.insecure_basic);
    let upstream = arguments.upstream.clone();
    if let Some(user) = &arguments.user {
        let credentials = Credentials::password(user, password(user, "FORWARD_PROXY_PASSWORD")?);
        return Ok(builder.proxy_credentials(upstream, credentials).build());
    }
    if arguments.ticket {
        use legwork::credentials::Ambient;

        let tickets = Credentials::ambient(Ambient::new());
        #[cfg(unix)]
        let builder = builder
            .negotiate(legwork::scheme::Negotiate::kerberos(legwork::mechanism::gssapi::Gssapi::kerberos()));
        return Ok(builder.proxy_credentials(upstream, tickets).build());
    }
    Ok(builder.build())
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
