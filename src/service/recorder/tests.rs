use std::time::{Duration, Instant};

use http::{Method, StatusCode};

use super::*;
use crate::handshake::{Actor, Login, Outcome, Protocol, Refusal, Tried, Why};
use crate::protection_space::{Challenger, Origin};
use crate::service::event::{Ending, EventKind, Work};
use crate::service::observe::TokenReport;

/// What a server may have written where it writes names.
const HOSTILE: &str = "\"><script>alert(1)</script>\n\u{1b}]0;x\u{7}\u{202e};%%{init}%%#amp;`";

fn origin() -> Origin {
    "http://wiki.example".parse().expect("an origin")
}

fn hostile_leg(number: u32, begun: Instant) -> LegReport {
    let challenge = TokenReport {
        challenger: Challenger::Origin,
        scheme: HOSTILE.to_owned(),
        kind: "",
        octets: 0,
        realm: Some(HOSTILE.to_owned()),
        error: None,
    };
    LegReport {
        request_number: 1,
        connection: 1,
        leg: number,
        origin: origin(),
        proxy: None,
        actor: Actor::Named(HOSTILE.to_owned()),
        proxy_actor: None,
        begun,
        elapsed: Duration::from_millis(3),
        request: format!("GET /{HOSTILE}"),
        authorization: vec![TokenReport { scheme: HOSTILE.to_owned(), ..challenge.clone() }],
        body_withheld: false,
        status: StatusCode::UNAUTHORIZED,
        challenges: vec![challenge],
    }
}

fn event(connection: Option<u64>, at: Instant, kind: EventKind) -> Event {
    Event { request_number: Some(1), connection, origin: Some(origin()), proxy: None, at, kind }
}

/// All kinds of entries, each with the hostile text wherever it has text.
fn hostile() -> Recording {
    let (recorder, begun) = (Recorder::new(), Instant::now());
    let hostile = || HOSTILE.to_owned();
    let why = Why::Refused(Some(hostile()));
    let tried = vec![Tried::new(hostile(), why)];
    let refusal = Refusal { challenger: Challenger::Origin, origin: origin(), mutual: false, tried, legs: 1 };
    let refused = Ending::Answered {
        status: StatusCode::UNAUTHORIZED,
        outcome: Some(Outcome::Refused(refusal)),
        proxy_outcome: None,
    };
    let elapsed = Duration::from_millis(4);
    let method = Method::from_bytes(b"GET").expect("a method");
    let began = EventKind::RequestBegan { method, path: hostile(), actor: Actor::Named(hostile()) };
    recorder.event(&event(None, begun, began));
    recorder.event(&event(None, begun + elapsed, EventKind::NotConnected { error: hostile(), elapsed }));
    recorder.leg(&hostile_leg(1, begun + elapsed));
    let work = Work::Kdc(hostile());
    recorder.event(&event(
        Some(1),
        begun + 2 * elapsed,
        EventKind::WorkEnded { work, elapsed, error: Some(hostile()) },
    ));
    recorder.event(&event(None, begun + 2 * elapsed, EventKind::Restarted { error: hostile() }));
    recorder.event(&event(
        None,
        begun + 3 * elapsed,
        EventKind::RequestEnded { ending: refused, elapsed: 3 * elapsed },
    ));
    let ending = Ending::Failed { error: hostile() };
    recorder.event(&event(
        None,
        begun + 3 * elapsed,
        EventKind::RequestEnded { ending, elapsed: 3 * elapsed },
    ));
    recorder.take()
}

/// No character in it does anything to a terminal, but for the ends of lines.
fn assert_plain(text: &str) {
    let odd = text.chars().find(|&c| c != '\n' && (c.is_control() || c == '\u{202e}'));
    assert_eq!(odd, None, "{text:?}");
}

#[test]
fn what_a_server_writes_does_nothing_to_a_terminal() {
    let text = hostile().to_string();
    assert_plain(&text);
    assert!(text.contains(r"\u{a}\u{1b}]0;x\u{7}\u{202e}"), "{text}");
    assert!(
        text.lines().all(|line| line.starts_with("  ") || line.is_empty()),
        "no line is the server's: {text}"
    );
}

#[test]
fn what_a_server_writes_is_no_markup_on_the_page() {
    let page = hostile().page().to_string();
    assert_plain(&page);
    let csp = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">";
    assert!(page.contains(csp), "{page}");
    assert!(!page.contains("<script") && !page.contains("javascript:") && !page.contains("src=\""), "{page}");
    let shown = r"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\u{a}\u{1b}";
    // The request, the actor, two refusals and notes, the leg with its title, two tokens of two texts each, the wait.
    assert!(page.matches(shown).count() >= 10, "{}: {page}", page.matches(shown).count());
}

#[test]
fn every_tag_of_the_page_is_closed() {
    let page = hostile().page().to_string();
    let body = &page[page.find("<body>").expect("a body")..];
    for tag in [
        "div", "span", "table", "tr", "td", "th", "h1", "h2", "small", "p", "code", "footer", "main", "i",
        "a",
    ] {
        let opened = body.matches(&format!("<{tag}>")).count() + body.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, body.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn what_a_server_writes_is_no_statement_of_the_diagram() {
    let source = hostile().mermaid().to_string();
    assert_plain(&source);
    let mut lines = source.lines();
    assert_eq!(lines.next(), Some("sequenceDiagram"));
    for line in lines {
        let is_ours = ["participant ", "C->>K1: ", "K1-->>C: ", "Note over C: "]
            .iter()
            .any(|own| line.trim().starts_with(own));
        assert!(is_ours, "{line}");
        let text = line.split_once(": ").map_or("", |(_, text)| text).replace("<br/>", "");
        let entities = text.split('#').skip(1);
        assert!(
            entities
                .into_iter()
                .all(|rest| rest.split_once(';').is_some_and(|(code, _)| code.parse::<u32>().is_ok())),
            "{line}"
        );
        assert!(!text.contains(['<', '>', '"', '%', '{', '`']), "{line}");
    }
}

#[test]
fn as_many_entries_are_kept_as_there_is_room_for() {
    let recorder = Recorder::new().with_limit(2);
    for number in 1..=5 {
        recorder.leg(&hostile_leg(number, Instant::now()));
    }
    let recording = recorder.recording();
    let kept: Vec<_> = recording.legs().map(|leg| leg.leg).collect();
    assert_eq!((kept, recording.left_out()), (vec![1, 2], 3));
    assert!(recording.to_string().contains("and 3 more legs and events that were not kept"), "{recording}");
    assert!(recording.page().to_string().contains("3 more"));
    recorder.take();
    recorder.leg(&hostile_leg(6, Instant::now()));
    assert_eq!((recorder.recording().legs().count(), recorder.recording().left_out()), (1, 0));
}

#[test]
fn nothing_is_shown_of_nothing() {
    let nothing = Recorder::new().take();
    assert_eq!(nothing.to_string(), "");
    assert!(nothing.page().to_string().contains("0 requests, 0 connections, 0 legs"));
    assert!(nothing.mermaid().to_string().starts_with("sequenceDiagram\n"));
}

fn login(scheme: &'static str, mechanism: &'static str) -> Outcome {
    Outcome::LoggedIn(Login {
        challenger: Challenger::Origin,
        scheme,
        mechanism,
        principal: None,
        mutual: false,
        legs: 3,
        passed_over: None,
    })
}

/// A request with these events, each some time after the one before it.
fn recorded(kinds: impl IntoIterator<Item = EventKind>) -> Recording {
    let (recorder, mut at) = (Recorder::new(), Instant::now());
    for kind in kinds {
        let connection = matches!(kind, EventKind::Connected { .. }).then_some(1);
        recorder.event(&event(connection, at, kind));
        at += Duration::from_millis(10);
    }
    recorder.take()
}

#[test]
fn what_went_wrong_beside_the_connections_is_told_in_words() {
    let elapsed = Duration::from_millis(10);
    let ended = |ending| EventKind::RequestEnded { ending, elapsed };
    for (kind, words) in [
        (
            EventKind::Restarted { error: "it was closed".to_owned() },
            "request 1: began again on another connection: it was closed",
        ),
        (
            EventKind::NotConnected { error: "refused".to_owned(), elapsed },
            "no connection to http://wiki.example after 10 ms: refused",
        ),
        (ended(Ending::Failed { error: "it was lost".to_owned() }), "request 1: it was lost"),
        (ended(Ending::GivenUp), "request 1: given up"),
    ] {
        let recording = recorded([kind]);
        assert_eq!(recording.to_string().trim(), words);
    }
}

#[test]
fn the_page_says_by_what_a_request_was_logged_in_and_when() {
    let elapsed = Duration::from_millis(20);
    let answered = |outcome| Ending::Answered { status: StatusCode::OK, outcome, proxy_outcome: None };
    let began = || EventKind::RequestBegan {
        method: Method::GET,
        path: "/".to_owned(),
        actor: Actor::Named("alice".to_owned()),
    };
    for (outcome, words) in [
        (Some(login("NTLM", "NTLM")), "200 OK, logged in by NTLM in 3 legs"),
        (Some(login("Negotiate", "NTLM")), "200 OK, logged in by Negotiate (NTLM) in 3 legs"),
        (None, "200 OK"),
    ] {
        let ended = EventKind::RequestEnded { ending: answered(outcome), elapsed };
        let page = recorded([began(), ended]).page().to_string();
        assert!(page.contains(&format!("<td class=\"ok\">{words}</td>")), "{words}: {page}");
    }
    let connected = EventKind::Connected { protocol: Protocol::Http1, elapsed: Duration::from_millis(5) };
    let recording = recorded([began(), connected, EventKind::Restarted { error: "no".to_owned() }]);
    let page = recording.page().to_string();
    // From 5 to 10 of 20 ms.
    assert!(page.contains("left:25.00%;width:25.00%"), "{page}");
}

#[test]
fn what_is_too_long_for_the_drawing_is_cut_off() {
    for octets in [1, 50, 60, 65, 70, 71, 72, 73, 74, 100, 1_000] {
        let recorder = Recorder::new();
        let leg = hostile_leg(1, Instant::now());
        recorder.leg(&LegReport { request: "x".repeat(octets), ..leg });
        let text = recorder.take().to_string();
        let line = text.lines().find(|line| line.contains('├')).expect("the request");
        assert_eq!((line.chars().count(), line.matches('x').count()), (80, octets.min(69)), "{text}");
        assert_eq!(line.contains('…'), octets > 69, "{text}");
    }
}

#[test]
fn a_step_is_worth_a_line_where_it_has_failed() {
    for (work, error, words) in [
        (Work::Step, None, ""),
        (Work::Step, Some("no ticket"), "(waited 10 ms for a step of the mechanism: no ticket)"),
        (Work::Turn, None, "(waited 10 ms for another request with the same credentials)"),
    ] {
        let (recorder, elapsed) = (Recorder::new(), Duration::from_millis(10));
        let kind = EventKind::WorkEnded { work, elapsed, error: error.map(str::to_owned) };
        recorder.event(&event(Some(1), Instant::now(), kind));
        let recording = recorder.take();
        let text = recording.to_string();
        assert_eq!(text.is_empty(), words.is_empty(), "{text}");
        assert!(text.contains(words), "{text}");
        let page = recording.page().to_string();
        assert!(
            error.is_none_or(|error| page.contains(&format!("a step of the mechanism: {error}"))),
            "{page}"
        );
    }
}

#[test]
fn legs_that_are_alike_are_drawn_once() {
    for (legs, words) in [(1, None), (2, Some("1 more like it")), (5, Some("4 more like it"))] {
        let recorder = Recorder::new();
        for number in 1..=legs {
            let leg = hostile_leg(number, Instant::now());
            let (request, status) = ("GET /".to_owned(), StatusCode::OK);
            recorder.leg(&LegReport { request, status, authorization: vec![], challenges: vec![], ..leg });
        }
        let text = recorder.take().to_string();
        assert_eq!(text.matches("GET /").count(), 1, "{text}");
        assert_eq!(text.contains("more like it"), words.is_some(), "{text}");
        assert!(words.is_none_or(|words| text.contains(words)), "{text}");
    }
}

#[test]
fn a_token_is_described_by_its_kind_and_size_or_its_realm() {
    for (kind, octets, realm, words) in [
        ("", 0, None, "NTLM"),
        ("", 0, Some("the lab"), "NTLM (the lab)"),
        ("", 40, None, "NTLM, 40 octets"),
        ("NTLM challenge", 120, None, "NTLM challenge, 120 octets"),
        ("AP-REQ", 700, None, "NTLM: AP-REQ, 700 octets"),
    ] {
        let token = TokenReport {
            challenger: Challenger::Origin,
            scheme: "NTLM".to_owned(),
            kind,
            octets,
            realm: realm.map(str::to_owned),
            error: None,
        };
        assert_eq!(text::describe(&token), words);
    }
}

#[test]
fn the_page_tells_of_what_was_not_connected_given_up_and_answered_otherwise() {
    let (recorder, at, elapsed) = (Recorder::new(), Instant::now(), Duration::from_millis(10));
    let failed = EventKind::NotConnected { error: "refused".to_owned(), elapsed };
    recorder.event(&event(Some(1), at, failed));
    recorder.event(&event(Some(2), at, EventKind::Connected { protocol: Protocol::Http2, elapsed }));
    for status in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::FOUND] {
        recorder.leg(&LegReport { connection: 2, status, ..hostile_leg(1, at) });
    }
    let (method, path) = (Method::GET, "/".to_owned());
    recorder.event(&event(None, at, EventKind::RequestBegan { method, path, actor: Actor::Nobody }));
    recorder.event(&event(None, at, EventKind::RequestEnded { ending: Ending::GivenUp, elapsed }));
    let recording = recorder.take();
    let page = recording.page().to_string();
    for words in [
        "title=\"not connected, 10 ms\"",
        "no connection after 10 ms: refused",
        "connected in 10 ms, over HTTP/2",
        "class=\"leg bad\"",
        "class=\"leg other\"",
        "<td class=\"bad\">given up</td>",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(recording.to_string().contains("(no connection after 10 ms: refused)"), "{recording}");
}

#[test]
fn of_many_connections_the_first_are_drawn() {
    let recorder = Recorder::new();
    for connection in 1..=10 {
        recorder.leg(&LegReport { connection, ..hostile_leg(1, Instant::now()) });
    }
    let text = recorder.take().to_string();
    assert!(text.contains("connection 8") && !text.contains("connection 9"), "{text}");
    assert!(text.contains("and 2 more connections"), "{text}");
}
