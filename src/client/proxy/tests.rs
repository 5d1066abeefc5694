use super::*;
use crate::protection_space::InvalidOrigin;

fn proxy(text: &str) -> Proxy {
    text.parse().expect("a proxy")
}

fn way(proxies: &Proxies, uri: &str) -> Option<String> {
    let found = proxies.of(&uri.parse().expect("a URI")).expect("a proxy that can be used");
    found.map(ToString::to_string)
}

#[test]
fn a_proxy_is_read_as_variables_of_the_environment_have_it() {
    let user = |text| proxy(text).credentials.map(|it| it.username().expect("a name").to_owned());
    for (text, origin) in [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("HTTP://Proxy.Example", "http://proxy.example"),
        ("https://[::1]:8443/ignored", "https://[::1]:8443"),
    ] {
        assert_eq!(proxy(text).to_string(), origin);
        assert_eq!(user(text), None);
    }
    assert_eq!(user("http://LAB%5Ccarol:p%40%3Aw@proxy:1").as_deref(), Some("LAB\\carol"));
    let carol = proxy("http://LAB%5Ccarol:p%40%3Aw@proxy:1").credentials.expect("carol's");
    assert_eq!(carol, Credentials::password("LAB\\carol", "p@:w"));
    assert_eq!(proxy("http://j%C3%A4son@proxy").credentials, Some(Credentials::password("j\u{e4}son", "")),);
}

#[test]
fn userinfo_is_taken_as_it_stands_where_it_means_one_thing() {
    for (text, username, password) in [
        ("http://carol:p%40ss@proxy", "carol", "p@ss"),
        ("http://carol:p@ss@proxy", "carol", "p@ss"),
        ("http://me@corp.example:p@@ss@proxy", "me@corp.example", "p@@ss"),
        ("http://carol:p:w@proxy", "carol", "p:w"),
        ("http://me%3acarol:pw@proxy", "me:carol", "pw"),
        ("http://CORP\\carol:p\\w@proxy", "CORP\\carol", "p\\w"),
        ("http://CORP%5Ccarol:pw@proxy", "CORP\\carol", "pw"),
        ("http://carol:100%@proxy", "carol", "100%"),
        ("http://carol:p%4@proxy", "carol", "p%4"),
        ("http://carol:p%zz%25%2@proxy", "carol", "p%zz%%2"),
        ("http://j\u{e4}son:p\u{e4}%C3%A4@proxy", "j\u{e4}son", "p\u{e4}\u{e4}"),
        ("http://carol:p%2Fs%3Fs%23%20+@proxy", "carol", "p/s?s# +"),
        ("http://carol:\"<>^`{|}[s];@proxy", "carol", "\"<>^`{|}[s];"),
        ("http://carol@proxy", "carol", ""),
        ("http://carol:@proxy", "carol", ""),
        ("http://:pw@proxy", "", "pw"),
        ("http://@proxy", "", ""),
        ("carol:p@ss@proxy", "carol", "p@ss"),
        ("HTTP://carol:pw@proxy/path", "carol", "pw"),
    ] {
        let read = proxy(text);
        assert_eq!(read.to_string(), "http://proxy", "{text:?}");
        let credentials = read.credentials.expect("a userinfo");
        let (name, secret) = credentials.as_password().expect("a password");
        assert_eq!((name, secret.expose()), (username, password), "{text:?}");
    }
}

#[test]
fn what_cannot_be_read_says_what_to_write_and_shows_nothing() {
    use InvalidProxy::{Character, Delimiter, Encoding, Socks, Uri};
    let port = InvalidProxy::Origin(InvalidOrigin::Port);
    for (texts, expected, written) in [
        (
            &["", "http://", "ftp://s3cret@proxy", "//s3cret", "http:/s3cret", "http:s3cret:"][..],
            Uri,
            "http://",
        ),
        (
            &["http:///proxy", "http//proxy", "1http://proxy", "://proxy", "a:b:c", "http://s3cret:pw@"],
            Uri,
            "http://",
        ),
        (&["http://pr\u{f6}xy", "http://s3cret@pro\\xy", "http://proxy:s3cret:1"], Uri, "http://"),
        (&["http:s3cret", "http://proxy:65536", "http://proxy:s3cret"], port, ""),
        (
            &["http://carol:s3c ret@proxy", " http://proxy", "http://proxy\n", "http://a:s3c\tret@proxy"],
            Character,
            "%20",
        ),
        (
            &["http://carol:s3c#ret@proxy", "http://carol:s3c/ret@proxy", "carol:s3c?ret@proxy"],
            Delimiter,
            "%23",
        ),
        (
            &["http://car#ol:s3cret@proxy", "http://carol:s3c@ret/@proxy", "http://a:b@h/s3c@ret"],
            Delimiter,
            "%2F",
        ),
        (
            &["http://carol:s3c%E4ret@proxy", "http://s3c%0aret@proxy", "http://:%00s3cret@proxy"],
            Encoding,
            "%C3%A4",
        ),
        (
            &["socks5://s3cret:1080", "SOCKS4a://s3cret", "socks5h://u:s3cret@h:1", "socks://h"],
            Socks,
            "connector",
        ),
    ] {
        for text in texts {
            let error = text.parse::<Proxy>().expect_err("no proxy");
            assert_eq!(error, expected, "{text:?}");
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(written), "{text:?}: {shown}");
            assert!(!["s3c", "ret"].iter().any(|part| shown.contains(part)), "{text:?}: {shown}");
        }
    }
}

/// What variables with these values name.
fn variables(values: &[(&str, &str)]) -> Result<Proxies, InvalidProxy> {
    Proxies::from_variables(|name| {
        let found = values.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).into())
    })
}

#[test]
fn each_scheme_has_its_variable() {
    let ways = |values: &[(&str, &str)]| {
        let proxies = variables(values).expect("proxies");
        ["http://h", "https://h"].map(|uri| way(&proxies, uri))
    };
    let hosts = |http: &str, https: &str| {
        [http, https].map(|host| (!host.is_empty()).then(|| format!("http://{host}")))
    };
    assert_eq!(ways(&[]), hosts("", ""));
    assert_eq!(ways(&[("http_proxy", "a")]), hosts("a", ""));
    assert_eq!(ways(&[("https_proxy", "b")]), hosts("", "b"));
    assert_eq!(ways(&[("all_proxy", "c"), ("https_proxy", "b")]), hosts("c", "b"));
    assert_eq!(ways(&[("http_proxy", "a"), ("HTTP_PROXY", "A2")]), hosts("a2", ""));
    assert_eq!(ways(&[("HTTP_PROXY", ""), ("http_proxy", "a"), ("NO_PROXY", "")]), hosts("a", ""));
    assert_eq!(ways(&[("http_proxy", "a"), ("REQUEST_METHOD", "GET")]), hosts("", ""));
    assert_eq!(ways(&[("all_proxy", "c"), ("no_proxy", "h")]), hosts("", ""));
    let proxies = variables(&[("all_proxy", "c"), ("no_proxy", "g")]).expect("proxies").except("h");
    assert_eq!(
        ["http://g", "http://h", "http://i"].map(|uri| way(&proxies, uri).is_some()),
        [false, false, true]
    );
}

#[test]
fn a_variable_that_cannot_be_read_is_named_and_not_passed_over() {
    for (name, value, reason) in [
        ("http_proxy", "http://carol:s3c#ret@proxy", InvalidProxy::Delimiter),
        ("HTTPS_PROXY", "http://carol:s3c ret@proxy", InvalidProxy::Character),
        ("all_proxy", "s3cret:s3cret", InvalidProxy::Origin(InvalidOrigin::Port)),
    ] {
        let error = variables(&[(name, value)]).expect_err("no proxy");
        let shown = format!("{error} {error:?} {reason}");
        assert_eq!(error, InvalidProxy::Variable { name, reason: Box::new(reason) });
        assert!(shown.contains(name) && !shown.contains("s3c"), "{shown}");
    }
    let socks = variables(&[("all_proxy", "socks5://h"), ("http_proxy", "a")]).expect("proxies");
    assert_eq!(way(&socks, "http://h").as_deref(), Some("http://a"));
    assert_eq!(socks.of(&Uri::from_static("https://h")), Err(InvalidProxy::Socks));
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_unicode_is_not_passed_over() {
    use std::os::unix::ffi::OsStringExt;

    let latin = || OsString::from_vec(b"http://carol:p\xe4@proxy".to_vec());
    let error = Proxies::from_variables(|name| (name == "https_proxy").then(latin)).expect_err("no proxy");
    let reason = Box::new(InvalidProxy::Encoding);
    assert_eq!(error, InvalidProxy::Variable { name: "https_proxy", reason });
    // The other hosts of such a list are exceptions still.
    let proxies = Proxies::from_variables(|name| match name {
        "http_proxy" => Some("proxy".into()),
        "no_proxy" => Some(OsString::from_vec(b"h\xe4, site.example".to_vec())),
        _ => None,
    });
    assert_eq!(way(&proxies.expect("proxies"), "http://site.example"), None);
}

#[test]
fn no_secret_is_shown() {
    let proxies = Proxies::all(proxy("http://carol:carol-pw@proxy.example:1"))
        .at("http://site.example".parse().expect("an origin"), proxy("http://a:other-pw@h"));
    let shown = format!("{proxies:?} {} {:?}", proxy("http://a:third-pw@h"), proxy("http://a:third-pw@h"));
    assert!(!shown.contains("-pw"), "{shown}");
    let shown = format!("{:?} {:?}", proxy("http://ca:third-pw@proxy"), proxy("http://a-token@proxy"));
    assert!(!["ca:", "-pw", "a-token"].iter().any(|part| shown.contains(part)), "{shown}");
}

#[test]
fn one_origin_goes_before_the_exceptions_and_those_before_the_scheme() {
    let origin = |text: &str| text.parse::<Origin>().expect("an origin");
    let proxies = Proxies::all(proxy("http://a.example"))
        .except("corp.example, 10.0.0.0/8, [::1]")
        .at(origin("https://in.corp.example"), proxy("http://b.example"))
        .at(origin("http://open.example"), None);
    for (uri, expected) in [
        ("http://site.example/x", Some("http://a.example")),
        ("https://site.example/x", Some("http://a.example")),
        ("http://corp.example", None),
        ("https://deep.in.corp.example", None),
        ("http://notcorp.example", Some("http://a.example")),
        ("http://10.1.2.3:8080/", None),
        ("https://IN.corp.example:443/y", Some("http://b.example")),
        ("http://in.corp.example/", None),
        ("http://open.example", None),
        ("https://open.example", Some("http://a.example")),
    ] {
        assert_eq!(way(&proxies, uri).as_deref(), expected, "{uri}");
    }
}

#[test]
fn a_proxy_may_be_for_one_scheme_alone() {
    let http = Proxies::http(proxy("http://a.example"));
    let https = Proxies::https(proxy("http://a.example"));
    let sees = |proxies: &Proxies| ["http://h", "https://h"].map(|uri| way(proxies, uri).is_some());
    assert_eq!((sees(&http), sees(&https)), ([true, false], [false, true]));
    assert_eq!(sees(&Proxies::http(proxy("http://a.example")).except("*")), [false, false]);
    assert_eq!(sees(&Proxies::none()), [false, false]);
    assert_eq!(sees(&Proxies::none().with_https(proxy("http://a.example"))), [false, true]);
}

#[test]
fn hosts_that_need_no_proxy_are_found_in_every_spelling() {
    for (list, without, through) in [
        (
            "example.com",
            "example.com a.b.example.com EXAMPLE.com example.com. a.example.com.:81",
            "notexample.com com",
        ),
        (".Example.com", "example.com a.b.example.com example.com.", "notexample.com example.com.evil"),
        ("*.example.com", "example.com a.b.example.com", "notexample.com 192.0.2.1"),
        ("*.example.com.", "example.com a.example.com.", "example.org"),
        ("example.com:80", "example.com a.example.com:80 example.com.", "example.com:81"),
        ("*.example.com:81", "example.com:81 a.example.com:81", "example.com a.example.com:8"),
        ("*", "a.example 192.0.2.1 [2001:db8::1]:8080 localhost", ""),
        ("example.com, *", "a.example 192.0.2.1", ""),
        ("*:81", "a.example:81 192.0.2.1:81", "a.example 192.0.2.1"),
        (
            "192.0.2.1",
            "192.0.2.1 192.0.2.1.:81 [::ffff:192.0.2.1]",
            "192.0.2.2 1.192.0.2.1 a.192.0.2.1.example",
        ),
        ("192.0.2.1:81", "192.0.2.1:81 [::ffff:192.0.2.1]:81", "192.0.2.1"),
        ("::1", "[::1] [0:0::1]:81", "[::2] 0.0.0.1"),
        ("[::1]", "[::1] [0:0::1]:81", "[::2]"),
        ("[::1]:81", "[::1]:81", "[::1]"),
        ("::ffff:192.0.2.1", "192.0.2.1 [::ffff:c000:201]", "[::1]"),
        (
            "192.0.2.0/25",
            "192.0.2.0 192.0.2.127:81 [::ffff:192.0.2.1]",
            "192.0.2.128 192.0.3.0 [::c000:201] a",
        ),
        ("192.0.2.77/24", "192.0.2.1", "192.0.3.1"),
        ("0.0.0.0/0", "192.0.2.1", "[::1] a"),
        ("192.0.2.1/32", "192.0.2.1", "192.0.2.0"),
        ("2001:db8::/33", "[2001:db8::1] [2001:db8:7fff::]", "[2001:db8:8000::] [2001:db9::] 32.1.13.184"),
        ("[fe80::]/10", "[fe80::1] [febf::1]:81", "[fec0::1]"),
        ("::/0", "[2001:db8::1]", "192.0.2.1 [::ffff:192.0.2.1] a"),
        ("::ffff:192.0.2.0/120", "192.0.2.1", "192.0.3.1"),
        (" a ,\tb,,c\u{a0}d\n", "a b c d x.a", "ab e"),
        ("2 .2 0.2.1", "a.2x.2.a.2", "192.0.2.1 192.0.2.2"),
        ("<local>, c.d", "wiki WIKI.:81 c.d", "wiki.corp.example 192.0.2.1 [::1]"),
        ("<LOCAL>:81", "wiki:81", "wiki"),
        ("<local", "", "wiki"),
        ("", "", "a 192.0.2.1"),
        (", . *.. ** a* *a a*b :80 : [] [::1 ::1] a: a:x a:+80 a:65536 a:80:80", "", "a b.a ba [::1]"),
        (
            "http://a a/8 a/ /8 / 192.0.2.0/33 192.0.2.0/ 192.0.2.0/+8 192.0.2.0/8/8 [192.0.2.1] ::/129",
            "",
            "a 192.0.2.1 [::1]",
        ),
    ] {
        let proxies = Proxies::all(proxy("http://proxy")).except(list);
        for (hosts, expected) in [(without, None), (through, Some("http://proxy"))] {
            for host in hosts.split_whitespace() {
                assert_eq!(
                    way(&proxies, &format!("http://{host}/x")).as_deref(),
                    expected,
                    "{list:?}: {host}"
                );
            }
        }
    }
    let https = Proxies::all(proxy("http://proxy")).except("example.com:443").except("a.example");
    assert_eq!(way(&https, "https://example.com"), None);
    assert_eq!(way(&https, "http://a.example"), None);
    assert_eq!(way(&https, "http://example.com").as_deref(), Some("http://proxy"));
}

#[test]
fn http_and_https_have_proxies_of_their_own_in_code_as_in_the_environment() {
    let in_code = Proxies::http(proxy("http://cache:3128"))
        .with_https(proxy("http://gateway:8080"))
        .except("inner.example, 10.0.0.0/8");
    let in_any_order = Proxies::https(proxy("http://gateway:8080"))
        .except("inner.example, 10.0.0.0/8")
        .with_http(proxy("http://cache:3128"));
    let of_environment = variables(&[
        ("http_proxy", "http://cache:3128"),
        ("https_proxy", "http://gateway:8080"),
        ("no_proxy", "inner.example, 10.0.0.0/8"),
    ])
    .expect("proxies");
    for proxies in [in_code, in_any_order, of_environment] {
        assert_eq!(way(&proxies, "http://h").as_deref(), Some("http://cache:3128"));
        assert_eq!(way(&proxies, "https://h").as_deref(), Some("http://gateway:8080"));
        for direct in ["http://inner.example", "https://a.inner.example", "https://10.1.2.3"] {
            assert_eq!(way(&proxies, direct), None);
        }
        let less =
            proxies.with_https(None).at("http://x".parse().expect("an origin"), proxy("http://x-proxy"));
        assert_eq!(way(&less, "https://h"), None);
        assert_eq!(way(&less.with_http(None), "http://x").as_deref(), Some("http://x-proxy"));
    }
    // One that cannot be used gives way as well.
    let socks = variables(&[("all_proxy", "socks5://h")]).expect("proxies").with_http(proxy("http://cache"));
    assert_eq!(way(&socks, "http://h").as_deref(), Some("http://cache"));
    assert_eq!(socks.of(&"https://h".parse().expect("a URI")), Err(InvalidProxy::Socks));
}
