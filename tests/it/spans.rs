//! Spans and events, as a subscriber sees them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use legwork::Client;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::protection_space::Challenger;
use legwork::service::spans::TARGET;
use legwork::service::{AuthenticateLayer, ConnectionInfo, Environment};
use legwork::testing::{Close, Gate, Offer, Quirk, When};
use legwork::{Authenticator, Credentials};
use tower::Layer;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest, set_default};
use tracing::{Event, Instrument, Level, Metadata, Subscriber, info_span};

use crate::leaf::{Leaf, origin_form, page, send};
use crate::support::*;

type Fields = BTreeMap<&'static str, String>;

/// Keeps spans and events.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    spans: Vec<Span>,
    events: Vec<Told>,
    /// Those that are entered, the innermost last.
    entered: Vec<Id>,
    most_verbose: Option<Level>,
}

#[derive(Clone, Debug)]
struct Span {
    metadata: &'static Metadata<'static>,
    parent: Option<usize>,
    fields: Fields,
    /// All values of `identity`, in the order in which they were recorded.
    identities: Vec<String>,
}

#[derive(Clone, Debug)]
struct Told {
    metadata: &'static Metadata<'static>,
    span: Option<usize>,
    fields: Fields,
}

struct Fill<'a>(&'a mut Fields);

impl Visit for Fill<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

fn place(id: &Id) -> usize {
    usize::try_from(id.into_u64() - 1).expect("few spans")
}

impl Subscriber for Seen {
    /// What it wants changes.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let most_verbose = self.lock().most_verbose.unwrap_or(Level::TRACE);
        *metadata.level() <= most_verbose
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut state = self.lock();
        let parent = match attributes.is_contextual() {
            true => state.entered.last().map(place),
            false => attributes.parent().map(place),
        };
        let mut fields = Fields::new();
        attributes.record(&mut Fill(&mut fields));
        let identities = fields.get("identity").cloned().into_iter().collect();
        state.spans.push(Span { metadata: attributes.metadata(), parent, fields, identities });
        Id::from_u64(state.spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut recorded = Fields::new();
        values.record(&mut Fill(&mut recorded));
        let span = &mut self.lock().spans[place(id)];
        span.identities.extend(recorded.get("identity").cloned());
        span.fields.extend(recorded);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut state = self.lock();
        let mut fields = Fields::new();
        event.record(&mut Fill(&mut fields));
        let span = state.entered.last().map(place);
        state.events.push(Told { metadata: event.metadata(), span, fields });
    }

    fn enter(&self, id: &Id) {
        self.lock().entered.push(id.clone());
    }

    fn exit(&self, id: &Id) {
        let mut state = self.lock();
        let last = state.entered.iter().rposition(|entered| entered == id).expect("it was entered");
        state.entered.remove(last);
    }
}

impl Seen {
    /// Subscribes this thread, until the guard is dropped.
    pub(crate) fn subscribe() -> (Self, DefaultGuard) {
        let seen = Self::default();
        let guard = set_default(seen.clone());
        (seen, guard)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic")
    }

    /// All that was told, to be searched.
    pub(crate) fn everything(&self) -> String {
        format!("{:?} {:?}", self.requests(), self.events())
    }

    /// The spans of requests, each with its parent's name.
    fn requests(&self) -> Vec<(Option<&'static str>, Fields)> {
        let state = self.lock();
        let parent = |span: &Span| span.parent.map(|parent| state.spans[parent].metadata.name());
        let ours = state.spans.iter().filter(|span| span.metadata.target() == TARGET);
        let ours = Vec::from_iter(ours);
        assert!(ours.iter().all(|span| span.metadata.name() == "legwork.request"));
        ours.into_iter().map(|span| (parent(span), span.fields.clone())).collect()
    }

    /// Names and fields of our events, all of which are in the span of a request.
    fn events(&self) -> Vec<(&'static str, Fields)> {
        let state = self.lock();
        let ours = Vec::from_iter(state.events.iter().filter(|told| told.metadata.target() == TARGET));
        for told in &ours {
            let span = told.span.map(|span| state.spans[span].metadata.name());
            assert_eq!(span, Some("legwork.request"), "{told:?}");
        }
        ours.into_iter().map(|told| (told.metadata.name(), told.fields.clone())).collect()
    }

    /// What was recorded as the identity of each request.
    fn identities(&self) -> Vec<Vec<String>> {
        let state = self.lock();
        let ours = state.spans.iter().filter(|span| span.metadata.target() == TARGET);
        ours.map(|span| span.identities.clone()).collect()
    }

    fn event(&self, name: &str) -> Fields {
        let events = self.events();
        events
            .iter()
            .find(|(told, _)| *told == name)
            .unwrap_or_else(|| panic!("no {name}: {events:?}"))
            .1
            .clone()
    }
}

fn names(events: &[(&'static str, Fields)]) -> Vec<&'static str> {
    events.iter().map(|(name, _)| *name).collect()
}

/// That these fields have these values.
#[track_caller]
fn assert_has(fields: &Fields, expected: &[(&'static str, &str)]) {
    for (name, value) in expected {
        assert_eq!(fields.get(name).map(String::as_str), Some(*value), "{name} in {fields:?}");
    }
}

fn seconds(fields: &Fields, name: &str) -> f64 {
    fields[name].parse().expect("a number")
}

#[tokio::test]
async fn a_login_is_a_span_in_that_of_its_caller() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client(&server);
    let (seen, _guard) = Seen::subscribe();
    // It is the span of the call that counts, not the one that the future is polled in.
    let called = info_span!("caller").in_scope(|| client.request(get(&server, "/page?from=1")));
    let response = called.instrument(info_span!("awaits")).await.expect("a response");
    text(response).await;

    let requests = seen.requests();
    let [(parent, fields)] = &requests[..] else { panic!("one request: {requests:?}") };
    assert_eq!(*parent, Some("caller"));
    let origin = server.origin().to_string();
    assert_has(
        fields,
        &[
            ("request", "1"),
            ("method", "GET"),
            ("origin", &origin),
            ("path", "/page"),
            ("identity", USER),
            ("status", "200"),
            ("outcome", "logged-in"),
            ("scheme", "NTLM"),
            ("mechanism", "NTLM"),
            ("legs", "3"),
            ("mutual", "false"),
            ("otel.kind", "client"),
        ],
    );
    assert!(!fields.contains_key("proxy") && !fields.contains_key("error"), "{fields:?}");
    let events = seen.events();
    assert_eq!(
        names(&events),
        ["legwork.connected", "legwork.leg", "legwork.leg", "legwork.leg", "legwork.logged_in"]
    );
    assert_has(&events[0].1, &[("connection", "1"), ("origin", &origin), ("protocol", "http1")]);
    let leg = [("request", "1"), ("connection", "1"), ("origin", &origin), ("line", "GET /page")];
    for (number, status) in [("1", "401"), ("2", "401"), ("3", "200")] {
        let at: usize = number.parse().expect("a number");
        assert_has(&events[at].1, &leg);
        assert_has(&events[at].1, &[("leg", number), ("status", status), ("body_withheld", "false")]);
    }
    assert!(events[2].1["sent"].contains("NTLM NEGOTIATE"), "{events:?}");
    assert!(events[2].1["received"].contains("NTLM CHALLENGE"), "{events:?}");
    assert_has(&events[4].1, &[("challenger", "origin"), ("identity", USER), ("legs", "3")]);
    let legs: f64 = events[1..=3].iter().map(|(_, fields)| seconds(fields, "elapsed")).sum();
    assert!(seconds(fields, "elapsed") >= legs && legs > 0.0, "{fields:?}");
}

#[tokio::test]
async fn who_a_request_acts_as_is_recorded_once() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client(&server);
    let (seen, _guard) = Seen::subscribe();
    fetch(&client, get(&server, "/")).await;
    let dave = Credentials::password("dave", "dave-pw");
    client.request(acting_as(get(&server, "/"), dave)).await.expect("a response");
    client.get("http://127.0.0.1:1/".parse().expect("a URI")).await.expect_err("nobody listens there");
    assert_eq!(seen.identities(), [[USER], ["dave"], ["not asked for yet"]]);
}

#[tokio::test]
async fn requests_at_the_same_time_keep_to_their_own_spans() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client(&server);
    let (seen, _guard) = Seen::subscribe();
    let one = info_span!("one").in_scope(|| client.request(get(&server, "/1")));
    let two = info_span!("two").in_scope(|| client.request(get(&server, "/2")));
    let (one, two) = tokio::join!(one, two);
    text(one.expect("a response")).await;
    text(two.expect("a response")).await;
    let paths = seen.requests().into_iter().map(|(parent, fields)| (parent, fields["path"].clone()));
    assert_eq!(Vec::from_iter(paths), [(Some("one"), "/1".to_owned()), (Some("two"), "/2".to_owned())]);
    let state = seen.lock();
    for told in state.events.iter().filter(|told| told.metadata.name() == "legwork.leg") {
        let span = &state.spans[told.span.expect("a span")];
        assert_eq!(span.fields["request"], told.fields["request"]);
        assert!(told.fields["line"].ends_with(&span.fields["path"]), "{told:?}");
    }
}

#[tokio::test]
async fn an_established_request_is_a_span_as_well() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client(&server);
    fetch(&client, get(&server, "/")).await;
    let (seen, _guard) = Seen::subscribe();
    fetch(&client, get(&server, "/again")).await;
    let [(None, fields)] = &seen.requests()[..] else { panic!("one request") };
    assert_has(fields, &[("outcome", "answered"), ("status", "200"), ("identity", USER)]);
    assert_eq!(names(&seen.events()), ["legwork.leg"]);
}

#[tokio::test]
async fn a_refusal_says_what_the_evidence_is() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let wrong = Credentials::password(USER, "wrong-pw");
    let client = build(Client::builder(builder().credentials(server.origin(), wrong).build()));
    let (seen, _guard) = Seen::subscribe();
    for _ in 0..2 {
        client.request(get(&server, "/")).await.expect("a response");
    }
    let nobody = build(Client::builder(builder().build()));
    nobody.request(get(&server, "/")).await.expect("a response");
    let requests = seen.requests();
    for ((_, fields), evidence) in requests.iter().zip(["refused", "refused-before", "no-credentials"]) {
        let expected =
            [("status", "401"), ("outcome", "refused"), ("scheme", "NTLM"), ("evidence", evidence)];
        assert_has(fields, &expected);
    }
    let told = seen.event("legwork.refused");
    assert_has(
        &told,
        &[("challenger", "origin"), ("evidence", "refused"), ("scheme", "NTLM"), ("legs", "3")],
    );
    assert!(told["reason"].contains("refused the login: NTLM: wrong user name or password"), "{told:?}");
    let state = seen.lock();
    let refused = state.events.iter().filter(|told| told.metadata.name() == "legwork.refused");
    assert!(refused.map(|told| *told.metadata.level()).all(|level| level == Level::WARN));
}

#[tokio::test]
async fn credentials_that_rest_are_told_with_their_pause() {
    let hangs_up = || Quirk::Close(Close::WithoutAnswer);
    let server = server([Offer::Ntlm])
        .quirk_when(When::leg(3).connections(..=1), hangs_up())
        .quirk_when(When::leg(2).connections(2..), hangs_up())
        .start()
        .await
        .expect("a server");
    let client = client(&server);
    let (seen, _guard) = Seen::subscribe();
    for _ in 0..4 {
        let _ = client.request(get(&server, "/")).await;
    }
    let (_, last) = seen.requests().pop().expect("a request");
    assert_has(&last, &[("outcome", "refused"), ("evidence", "paused")]);
    assert!(seconds(&last, "pause") > 1.0, "{last:?}");
}

#[tokio::test]
async fn a_failure_to_connect_is_told_in_the_span_of_its_request() {
    let client = build(Client::builder(Authenticator::builder().build()));
    let (seen, _guard) = Seen::subscribe();
    client.get("http://127.0.0.1:1/".parse().expect("a URI")).await.expect_err("nobody listens there");
    let (_, fields) = &seen.requests()[0];
    assert_has(
        fields,
        &[("outcome", "failed"), ("otel.status_code", "ERROR"), ("origin", "http://127.0.0.1:1")],
    );
    assert!(fields["error"].starts_with("http://127.0.0.1:1: cannot connect"), "{fields:?}");
    assert_eq!(names(&seen.events()), ["legwork.not_connected", "legwork.failed"]);
    let told = seen.event("legwork.not_connected");
    assert!(told["error"].contains("onnect") && seconds(&told, "elapsed") >= 0.0, "{told:?}");
}

#[tokio::test]
async fn a_request_that_is_dropped_ends_its_span() {
    let gate = Gate::closed();
    let server = server([Offer::Ntlm]).quirk(Quirk::HeldBy(gate.clone())).start().await.expect("a server");
    let client = client(&server);
    let (seen, _guard) = Seen::subscribe();
    drop(begun(client.request(get(&server, "/"))).await);
    assert_has(&seen.requests()[0].1, &[("outcome", "given-up")]);
    assert_eq!(names(&seen.events()).last(), Some(&"legwork.given_up"));
    gate.open();
}

#[tokio::test]
async fn a_layers_requests_are_spans_of_their_own() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let layer = AuthenticateLayer::new(authenticator(&server).build(), ConnectionInfo::new(server.origin()));
    let mut service = layer.layer(Leaf::connect(&server).await);
    let (seen, _guard) = Seen::subscribe();
    for path in ["/", "/again"] {
        let sending = send(&mut service, origin_form("GET", path, "")).instrument(info_span!("caller"));
        page(sending.await.expect("a response")).await;
    }
    let requests = seen.requests();
    assert_eq!(Vec::from_iter(requests.iter().map(|(parent, _)| *parent)), [Some("caller"); 2]);
    assert_has(&requests[0].1, &[("outcome", "logged-in"), ("legs", "3"), ("identity", USER)]);
    assert_has(&requests[1].1, &[("outcome", "answered"), ("path", "/again"), ("status", "200")]);
    let leg = "legwork.leg";
    assert_eq!(names(&seen.events()), [leg, leg, leg, "legwork.logged_in", leg]);
}

#[tokio::test]
async fn a_tunnel_is_a_request_in_that_which_needs_it() {
    let proxy = tunnelling(Offer::Ntlm).start().await.expect("a proxy");
    let secrets = builder().proxy_credentials(proxy.origin(), carol());
    let through: Proxy = proxy.origin().to_string().parse().expect("a proxy");
    let client: HttpClient =
        Client::builder(secrets.build()).proxies(Proxies::all(through)).build_with_tls(trusting_nobody());
    let target = server([]).start().await.expect("a server");
    let (seen, _guard) = Seen::subscribe();
    let uri = format!("https://127.0.0.1:{}/", target.address().port());
    client.get(uri.parse().expect("a URI")).await.expect_err("it speaks no TLS");
    let requests = seen.requests();
    let [(None, request), (Some("legwork.request"), connect)] = &requests[..] else { panic!("{requests:?}") };
    let through = proxy.origin().to_string();
    assert_has(request, &[("method", "GET"), ("proxy", &through), ("outcome", "failed")]);
    let path = format!("127.0.0.1:{}", target.address().port());
    assert_has(
        connect,
        &[("method", "CONNECT"), ("path", &path), ("outcome", "logged-in"), ("proxy", &through)],
    );
    assert_has(&seen.event("legwork.logged_in"), &[("challenger", "proxy"), ("identity", USER)]);
}

#[tokio::test]
async fn names_of_users_can_be_left_out() {
    let server =
        server([Offer::Ntlm]).offer_as(Challenger::Origin, Offer::Negotiate).start().await.expect("a server");
    let environment = Environment::tokio().without_user_names();
    let client = build(Client::builder(authenticator(&server).build()).environment(environment));
    let (seen, _guard) = Seen::subscribe();
    fetch(&client, get(&server, "/")).await;
    client
        .request(acting_as(get(&server, "/"), Credentials::password(USER, "wrong-pw")))
        .await
        .expect("a response");
    assert_has(&seen.requests()[0].1, &[("outcome", "logged-in"), ("identity", "a user")]);
    assert_has(&seen.requests()[1].1, &[("outcome", "refused"), ("identity", "a user")]);
    let all = seen.everything().to_ascii_lowercase();
    assert!(!all.contains("carol"), "{all}");
}

#[tokio::test]
async fn only_what_is_subscribed_to_is_told() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client(&server);
    let (seen, _guard) = Seen::subscribe();
    seen.lock().most_verbose = Some(Level::INFO);
    fetch(&client, get(&server, "/")).await;
    assert_eq!((seen.requests().len(), seen.lock().events.len()), (1, 0));
    seen.lock().most_verbose = Some(Level::ERROR);
    fetch(&client, get(&server, "/")).await;
    assert_eq!(seen.requests().len(), 1);
}
