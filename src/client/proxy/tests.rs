use super::*;

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
fn what_is_no_http_proxy_is_told_apart() {
    for text in ["", "http://", "ftp://proxy.example", "a proxy", "//"] {
        assert_eq!(text.parse::<Proxy>(), Err(InvalidProxy::Uri), "{text:?}");
    }
    for text in ["socks5://proxy.example:1080", "socks4a://proxy.example", "socks5h://u:p@h:1"] {
        assert_eq!(text.parse::<Proxy>(), Err(InvalidProxy::Socks), "{text:?}");
    }
}

#[test]
fn no_secret_is_shown() {
    let proxies = Proxies::all(proxy("http://carol:carol-pw@proxy.example:1"))
        .at("http://site.example".parse().expect("an origin"), proxy("http://a:other-pw@h"));
    let shown = format!("{proxies:?} {} {:?}", proxy("http://a:third-pw@h"), proxy("http://a:third-pw@h"));
    assert!(!shown.contains("-pw"), "{shown}");
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
    let sees = |proxies| ["http://h", "https://h"].map(|uri| way(proxies, uri).is_some());
    assert_eq!((sees(&http), sees(&https)), ([true, false], [false, true]));
    assert_eq!(sees(&Proxies::http(proxy("http://a.example")).except("*")), [false, false]);
}
