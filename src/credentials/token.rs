//! Bearer tokens that expire and are fetched anew.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::credentials::{Credentials, CredentialsFuture, CredentialsProvider, CredentialsQuery, Secret};
use crate::protection_space::Origin;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Fetching = Pin<Box<dyn Future<Output = Result<Secret, BoxError>> + Send>>;

/// A provider of bearer tokens for one origin (RFC 6750): fetches a token when one is first needed,
/// and another one when the server refuses it.
///
/// Requests that need a token at the same time wait for one fetch; if it fails, they fail with it. So
/// they do if the token cannot be sent ([`InvalidToken`](crate::credentials::InvalidToken)).
///
/// ```
/// use legwork::Authenticator;
/// use legwork::credentials::{BearerTokens, Secret};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tokens = BearerTokens::new("https://api.example".parse()?, || async {
///     // Ask the authorization server here.
///     Ok(Secret::new("mF_9.B5f-4.1JqM"))
/// });
/// let authenticator = Authenticator::builder().provider(tokens).build();
/// # let _ = authenticator; Ok(())
/// # }
/// ```
pub struct BearerTokens {
    origin: Origin,
    shared: Arc<TokenSource>,
}

struct TokenSource {
    fetch: Box<dyn Fn() -> Fetching + Send + Sync>,
    state: Mutex<FetchState>,
}

#[derive(Default)]
struct FetchState {
    /// The last one fetched.
    token: Option<Credentials>,
    is_fetching: bool,
    /// Counts the fetches that ended.
    ended: u64,
    /// Counts those that gave a token.
    fetched: u64,
    /// Why the last one failed.
    failure: Option<Arc<dyn std::error::Error + Send + Sync>>,
    waiting: Vec<(u64, Waker)>,
    ids: u64,
}

impl BearerTokens {
    /// Provides tokens for `origin`, each made by `fetch`.
    pub fn new<F, T>(origin: Origin, fetch: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<Secret, BoxError>> + Send + 'static,
    {
        let fetch = Arc::new(fetch);
        // Called in the future, so that a panic of `fetch` itself ends a fetch as well.
        let fetch = Box::new(move || {
            let fetch = Arc::clone(&fetch);
            Box::pin(async move { fetch().await }) as Fetching
        });
        Self { origin, shared: Arc::new(TokenSource { fetch, state: Mutex::default() }) }
    }
}

impl fmt::Debug for BearerTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerTokens").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl CredentialsProvider for BearerTokens {
    fn credentials(&self, query: CredentialsQuery<'_>) -> CredentialsFuture {
        if query.origin != &self.origin || !query.scheme.eq_ignore_ascii_case("Bearer") {
            return Box::pin(std::future::ready(Ok(None)));
        }
        let refused = query.refused.cloned();
        Box::pin(TokenFuture { shared: Arc::clone(&self.shared), refused, stage: FetchStage::Asking })
    }
}

impl TokenSource {
    fn lock(&self) -> MutexGuard<'_, FetchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves to a token other than the refused one, or to what the fetch gave that it waited for.
struct TokenFuture {
    shared: Arc<TokenSource>,
    refused: Option<Credentials>,
    stage: FetchStage,
}

enum FetchStage {
    Asking,
    /// Another request fetches; so many fetches had ended, and given a token, before.
    Waiting {
        id: u64,
        ended: u64,
        fetched: u64,
    },
    Fetching(Fetching),
}

impl Future for TokenFuture {
    type Output = Result<Option<Credentials>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let this = &mut *self;
            if let FetchStage::Fetching(fetching) = &mut this.stage {
                let Poll::Ready(fetched) = fetching.as_mut().poll(cx) else { return Poll::Pending };
                this.stage = FetchStage::Asking;
                return Poll::Ready(this.shared.fetched(fetched).map(Some));
            }
            let mut state = this.shared.lock();
            let mut is_awaited = false;
            if let FetchStage::Waiting { ended, fetched, .. } = this.stage {
                if let Some(failure) = state.failure.as_ref().filter(|_| state.ended > ended) {
                    return Poll::Ready(Err(FetchFailed(Arc::clone(failure)).into()));
                }
                // Even the refused token again: whoever waited would get no other by asking again.
                is_awaited = state.fetched > fetched;
            }
            let is_new = |token: &&Credentials| is_awaited || this.refused.as_ref() != Some(token);
            if let Some(token) = state.token.as_ref().filter(is_new) {
                return Poll::Ready(Ok(Some(token.clone())));
            }
            if state.is_fetching {
                let id = match this.stage {
                    FetchStage::Waiting { id, .. } => id,
                    FetchStage::Asking | FetchStage::Fetching(_) => state.next_id(),
                };
                state.wait(id, cx.waker());
                this.stage = FetchStage::Waiting { id, ended: state.ended, fetched: state.fetched };
                return Poll::Pending;
            }
            state.is_fetching = true;
            drop(state);
            this.stage = FetchStage::Fetching((this.shared.fetch)());
        }
    }
}

impl TokenSource {
    /// A fetch has ended: those that wait for it go on.
    fn fetched(&self, fetched: Result<Secret, BoxError>) -> Result<Credentials, BoxError> {
        let mut state = self.lock();
        let result = match fetched.and_then(|token| Ok(Credentials::try_bearer_token(token)?)) {
            Ok(token) => {
                state.token = Some(token.clone());
                state.fetched += 1;
                state.failure = None;
                Ok(token)
            }
            Err(error) => {
                let failure: Arc<dyn std::error::Error + Send + Sync> = error.into();
                state.failure = Some(Arc::clone(&failure));
                Err(FetchFailed(failure).into())
            }
        };
        let waiting = state.end();
        drop(state);
        wake(waiting);
        result
    }
}

impl FetchState {
    fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    fn wait(&mut self, id: u64, waker: &Waker) {
        match self.waiting.iter_mut().find(|(waiting, _)| *waiting == id) {
            Some((_, known)) => known.clone_from(waker),
            None => self.waiting.push((id, waker.clone())),
        }
    }

    /// Gives those that wait; they are to be woken without the lock.
    fn end(&mut self) -> Vec<(u64, Waker)> {
        self.is_fetching = false;
        self.ended += 1;
        std::mem::take(&mut self.waiting)
    }
}

impl Drop for TokenFuture {
    /// A request that was given up while it fetched leaves the fetch to the next.
    fn drop(&mut self) {
        match self.stage {
            FetchStage::Asking => {}
            FetchStage::Waiting { id, .. } => {
                self.shared.lock().waiting.retain(|(waiting, _)| *waiting != id)
            }
            FetchStage::Fetching(_) => {
                let mut state = self.shared.lock();
                state.failure = None;
                let waiting = state.end();
                drop(state);
                wake(waiting);
            }
        }
    }
}

fn wake(waiting: Vec<(u64, Waker)>) {
    for (_, waker) in waiting {
        waker.wake();
    }
}

/// A token could not be fetched.
#[derive(Clone, Debug)]
struct FetchFailed(Arc<dyn std::error::Error + Send + Sync>);

impl fmt::Display for FetchFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bearer token could not be fetched")
    }
}

impl std::error::Error for FetchFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::protection_space::Challenger;

    /// Fetches that end when the test says so.
    #[derive(Clone, Default)]
    struct Lab {
        begun: Arc<AtomicUsize>,
        answers: Arc<Mutex<Vec<Result<&'static str, &'static str>>>>,
    }

    impl Lab {
        fn tokens(&self) -> BearerTokens {
            let lab = self.clone();
            BearerTokens::new("https://api.example".parse().expect("an origin"), move || {
                lab.begun.fetch_add(1, Ordering::SeqCst);
                let lab = lab.clone();
                std::future::poll_fn(move |_| match lab.answers.lock().expect("not poisoned").pop() {
                    Some(answer) => Poll::Ready(answer.map(Secret::new).map_err(Into::into)),
                    None => Poll::Pending,
                })
            })
        }

        fn answer(&self, answer: Result<&'static str, &'static str>) {
            self.answers.lock().expect("not poisoned").push(answer);
        }

        fn begun(&self) -> usize {
            self.begun.load(Ordering::SeqCst)
        }
    }

    fn ask(tokens: &BearerTokens, refused: Option<&Credentials>) -> CredentialsFuture {
        let origin: Origin = "https://api.example".parse().expect("an origin");
        let query = CredentialsQuery::new(Challenger::Origin, &origin, "Bearer", None);
        tokens.credentials(query.with_refused(refused))
    }

    fn poll(asking: &mut CredentialsFuture) -> Poll<Result<String, String>> {
        asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).map(|result| match result {
            Ok(credentials) => {
                let credentials = credentials.expect("a token for this origin");
                Ok(credentials.as_bearer_token().expect("a token").expose().to_owned())
            }
            Err(error) => Err(error.source().expect("the cause").to_string()),
        })
    }

    fn ready(text: &str) -> Poll<Result<String, String>> {
        Poll::Ready(Ok(text.to_owned()))
    }

    #[test]
    fn one_fetch_serves_all_and_a_refused_token_is_fetched_anew_once() {
        let lab = Lab::default();
        let tokens = lab.tokens();
        let (mut first, mut second) = (ask(&tokens, None), ask(&tokens, None));
        assert!(poll(&mut first).is_pending());
        assert!(poll(&mut second).is_pending());
        lab.answer(Ok("one"));
        assert_eq!(poll(&mut first), ready("one"));
        assert_eq!(poll(&mut second), ready("one"));
        assert_eq!(poll(&mut ask(&tokens, None)), ready("one"));
        assert_eq!(lab.begun(), 1);

        let refused = Credentials::bearer_token("one");
        let (mut first, mut second) = (ask(&tokens, Some(&refused)), ask(&tokens, Some(&refused)));
        assert!(poll(&mut first).is_pending());
        assert!(poll(&mut second).is_pending());
        lab.answer(Ok("two"));
        assert_eq!(poll(&mut first), ready("two"));
        assert_eq!(poll(&mut second), ready("two"));
        assert_eq!(poll(&mut ask(&tokens, Some(&refused))), ready("two"), "a late one fetches nothing");
        assert_eq!(lab.begun(), 2);
    }

    #[test]
    fn the_same_token_fetched_again_serves_all_who_waited_for_it() {
        let lab = Lab::default();
        let tokens = lab.tokens();
        let refused = Credentials::bearer_token("one");
        lab.answer(Ok("one"));
        assert_eq!(poll(&mut ask(&tokens, None)), ready("one"));
        let mut asking: Vec<_> = (0..8).map(|_| ask(&tokens, Some(&refused))).collect();
        assert!(asking.iter_mut().all(|asking| poll(asking).is_pending()));
        lab.answer(Ok("one"));
        for asking in &mut asking {
            assert_eq!(poll(asking), ready("one"));
        }
        assert_eq!(lab.begun(), 2);
    }

    #[test]
    fn who_waits_for_a_fetch_fails_with_it_and_a_later_one_tries_again() {
        let lab = Lab::default();
        let tokens = lab.tokens();
        let (mut first, mut second) = (ask(&tokens, None), ask(&tokens, None));
        assert!(poll(&mut first).is_pending());
        assert!(poll(&mut second).is_pending());
        lab.answer(Err("the authorization server is down"));
        let failed = Poll::Ready(Err("the authorization server is down".to_owned()));
        assert_eq!(poll(&mut first), failed);
        assert_eq!(poll(&mut second), failed);
        assert_eq!(lab.begun(), 1);
        lab.answer(Ok("one"));
        assert_eq!(poll(&mut ask(&tokens, None)), ready("one"));
    }

    #[test]
    fn a_token_that_cannot_be_sent_is_a_fetch_that_failed() {
        let lab = Lab::default();
        let tokens = lab.tokens();
        lab.answer(Ok("one\n"));
        let failed = "the token has '\\n' at octet 3, which cannot be sent".to_owned();
        assert_eq!(poll(&mut ask(&tokens, None)), Poll::Ready(Err(failed)));
        lab.answer(Ok("two"));
        assert_eq!(poll(&mut ask(&tokens, None)), ready("two"));
    }

    #[test]
    fn a_fetch_that_is_given_up_is_begun_by_the_next() {
        let lab = Lab::default();
        let tokens = lab.tokens();
        let (mut first, mut second) = (ask(&tokens, None), ask(&tokens, None));
        assert!(poll(&mut first).is_pending());
        assert!(poll(&mut second).is_pending());
        drop(first);
        lab.answer(Ok("one"));
        assert_eq!(poll(&mut second), ready("one"));
        assert_eq!(lab.begun(), 2);
    }

    #[test]
    fn a_fetch_that_panics_is_begun_by_the_next() {
        let begun = AtomicUsize::new(0);
        let tokens = BearerTokens::new("https://api.example".parse().expect("an origin"), move || {
            assert!(begun.fetch_add(1, Ordering::SeqCst) > 0, "no configuration");
            std::future::ready(Ok(Secret::new("one")))
        });
        let mut first = ask(&tokens, None);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(&mut first)));
        assert!(panicked.is_err());
        drop(first);
        assert_eq!(poll(&mut ask(&tokens, None)), ready("one"));
    }

    #[test]
    fn who_waits_leaves_one_waker_however_often_it_is_polled_and_takes_it_away() {
        let lab = Lab::default();
        let tokens = lab.tokens();
        let (mut first, mut second) = (ask(&tokens, None), ask(&tokens, None));
        assert!(poll(&mut first).is_pending());
        for _ in 0..1000 {
            assert!(poll(&mut second).is_pending());
        }
        assert_eq!(tokens.shared.lock().waiting.len(), 1);
        drop(second);
        assert_eq!(tokens.shared.lock().waiting.len(), 0);
    }

    #[test]
    fn another_origin_and_another_scheme_get_nothing() {
        let tokens = Lab::default().tokens();
        for (origin, scheme) in [("https://api.example:444", "Bearer"), ("https://api.example", "Basic")] {
            let origin: Origin = origin.parse().expect("an origin");
            let mut asking =
                tokens.credentials(CredentialsQuery::new(Challenger::Origin, &origin, scheme, None));
            let polled = asking.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Ready(Ok(None))), "{origin} {scheme}");
        }
    }

    #[test]
    fn a_failed_fetch_keeps_its_cause() {
        use std::error::Error;

        let failed = FetchFailed(Arc::from(Box::<dyn Error + Send + Sync>::from("the vault is sealed")));
        assert_eq!(failed.to_string(), "the bearer token could not be fetched");
        assert_eq!(failed.source().map(ToString::to_string).as_deref(), Some("the vault is sealed"));
    }
}
