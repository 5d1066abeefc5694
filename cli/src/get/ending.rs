//! How a transfer ends before its time.

use std::future::pending;
use std::time::Duration;

use crate::advice::Advice;
use crate::exit::Exit;

/// Resolves when the time is up that the whole transfer may take; never, if it may take any.
pub(super) async fn time_is_up(after: Option<Duration>) -> Advice {
    let Some(after) = after else { return pending().await };
    tokio::time::sleep(after).await;
    Advice::new(
        Exit::Timeout,
        format!("not done after {after:?}"),
        "Give it more time by --max-time; `legwork get -v` shows how far it comes.",
    )
}

/// Resolves when the user, or the system, wants the program to end.
pub(super) async fn signal() -> Advice {
    let advice = |exit| Advice::new(exit, "interrupted", "");
    tokio::select! {
        heard = tokio::signal::ctrl_c() => match heard {
            Ok(()) => advice(Exit::Interrupted),
            // Then the signal ends the program without our doing.
            Err(_) => pending().await,
        },
        () = terminated() => advice(Exit::Terminated),
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};

    match signal(SignalKind::terminate()) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(_) => pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    pending().await
}
