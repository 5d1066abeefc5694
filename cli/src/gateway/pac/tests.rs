//! What a script finds, what it may cost, and what it is told.

use std::io;
use std::net::IpAddr;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::engine::{Engine, ScriptError, TIME};
use super::*;

/// Knows these names, and no others.
fn names(known: &'static [(&'static str, &'static str)]) -> Arc<Names> {
    Arc::new(Names::by(move |name| {
        let found = known.iter().filter(|(known, _)| *known == name);
        let addresses: Vec<IpAddr> = found.map(|(_, address)| address.parse().expect("an address")).collect();
        if addresses.is_empty() { Err(io::Error::other("no such name")) } else { Ok(addresses) }
    }))
}

const NAMES: &[(&str, &str)] =
    &[("www.example", "2001:db8::7"), ("www.example", "192.0.2.7"), ("six.example", "2001:db8::6")];

/// More than anything here takes, however busy the machine is.
const LONG: Duration = Duration::from_secs(300);

fn engine(script: &str, time: Duration) -> Result<Engine, ScriptError> {
    Engine::new(script, &names(NAMES), time)
}

/// What a script with this body answers.
fn answer(body: &str) -> Result<String, ScriptError> {
    answer_within(LONG, body)
}

fn answer_within(time: Duration, body: &str) -> Result<String, ScriptError> {
    let script = format!("function FindProxyForURL(url, host) {{ {body} }}");
    engine(&script, time)?.find("http://www.example/path?query", "www.example")
}

/// What an expression is, as JSON; `Date` is at this moment, where there is one.
fn value_at(now: Option<&str>, expression: &str) -> String {
    let fixed = now.map_or_else(String::new, |now| {
        format!(
            "var Real = Date; Date = function (...all) {{ return all.length ? new Real(...all) : new Real('{now}'); }};"
        )
    });
    answer(&format!("{fixed} return String(JSON.stringify({expression}));"))
        .unwrap_or_else(|error| panic!("{expression}: {error}"))
}

fn value(expression: &str) -> String {
    value_at(None, expression)
}

/// Expressions that are true, and those that are false.
fn holds(now: Option<&str>, yes: &[&str], no: &[&str]) {
    for (expressions, expected) in [(yes, "true"), (no, "false")] {
        for expression in expressions {
            assert_eq!(value_at(now, expression), expected, "{expression} at {now:?}");
        }
    }
}

// Here and in the tests of dates, the cases are those of Chromium's `proxy_resolver_v8_unittest/pac_library_unittest.js`.
#[test]
fn hosts_are_compared_as_in_browsers() {
    holds(
        None,
        &[
            "dnsDomainIs('google.com', '.com')",
            "dnsDomainIs('google.co.uk', '.co.uk')",
            "isPlainHostName('google')",
            "isPlainHostName('foopy::1')",
            "isPlainHostName('foo:112')",
            "isPlainHostName(':')",
            "isPlainHostName('[:]')",
            "isPlainHostName('[::1]')",
            "isPlainHostName('foo', 'foo', 'foo')",
            "localHostOrDomainIs('www.google.com', 'www.google.com')",
            "localHostOrDomainIs('www', 'www.google.com')",
            "shExpMatch('foo.jpg', '*.jpg')",
            "shExpMatch('foo5.jpg', '*o?.jpg')",
            // In use, since browsers have it so.
            "shExpMatch('www.a.example', '(*.a.example|*.b.example)')",
            "shExpMatch('a+b', 'a+b') == false",
        ],
        &[
            "dnsDomainIs('google.com', '.co.uk')",
            "dnsDomainIs('www.adobe.com', '.ad')",
            "isPlainHostName('google.com')",
            "isPlainHostName('192.168.1.1')",
            "isPlainHostName('.')",
            "isPlainHostName('.:')",
            "isPlainHostName('::1')",
            "isPlainHostName('::192.186.1.1')",
            "localHostOrDomainIs('maps.google.com', 'www.google.com')",
            "localHostOrDomainIs('ww', 'www.google.com')",
            "shExpMatch('foo.jpg', '.jpg')",
            "shExpMatch('foo.jpg', 'foo')",
            "shExpMatch('fooxjpg', 'foo.jpg')",
        ],
    );
    assert_eq!(
        value("[dnsDomainLevels('www'), dnsDomainLevels('www.google.com'), dnsDomainLevels('192.168.1.1')]"),
        "[0,2,3]"
    );
    for call in [
        "isPlainHostName()",
        "isPlainHostName(null)",
        "isPlainHostName(1)",
        "isPlainHostName(function () {})",
    ] {
        let caught = format!("(() => {{ try {{ {call} }} catch (e) {{ return e.toString() }} }})()");
        assert_eq!(value(&caught), "\"TypeError: Requires 1 string parameter\"", "{call}");
    }
}

#[test]
fn addresses_are_compared_as_in_browsers() {
    holds(
        None,
        &[
            "isInNet('192.89.132.25', '192.89.132.25', '255.255.255.255')",
            "isInNet('192.89.132.25', '192.89.0.0', '255.255.0.0')",
            "isInNet('www.example', '192.0.2.0', '255.255.255.0')",
            "isResolvable('www.example')",
            "isResolvableEx('six.example')",
            "isInNetEx('198.95.249.79', '198.95.249.79/32')",
            "isInNetEx('198.95.115.10', '198.95.0.0/16')",
            "isInNetEx('198.95.1.1', '198.95.3.3/16')",
            "isInNetEx('0:0:0:0:0:0:7f00:1', '0:0:0:0:0:0:7f00:1/32')",
            "isInNetEx('3ffe:8311:ffff:abcd:1234:dead:beef:101', '3ffe:8311:ffff::/48')",
            "isInNetEx('127.0.0.1', '0:0:0:0:0:0:7f00:1/16')",
            "isInNetEx('::ffff:192.168.100.5', '192.168.1.1/16')",
            "isInNetEx('::ffff:192.168.100.5', '::ffff:192.168.1.1/112')",
            "isInNetEx('192.168.1.1', '::ffff:192.168.1.1/112')",
        ],
        &[
            "isInNet('193.89.132.25', '192.89.132.25', '255.255.255.255')",
            "isInNet('193.89.132.25', '192.89.0.0', '255.255.0.0')",
            "isInNet('192.89.132.a', '192.89.0.0', '255.255.0.0')",
            "isInNet('192.89.132.25', '192.89.0.256', '255.255.0.0')",
            "isInNet('six.example', '0.0.0.0', '0.0.0.0')",
            "isResolvable('nowhere.example')",
            // Its only address is one of IPv6.
            "isResolvable('six.example')",
            "isResolvableEx('nowhere.example')",
            "isInNetEx('192.168.24.3', 'fe80:0:0:0:0:0:c0a8:1803/32')",
            "isInNetEx('::ffff:10.168.100.5', '192.168.1.1/16')",
            "isInNetEx('::fffe:192.168.100.5', '192.168.1.1/16')",
            "isInNetEx('::ffff:10.168.100.5', '::ffff:192.168.1.1/112')",
            "isInNetEx('192.168.1.1', '::fffe:192.168.1.1/112')",
            "isInNetEx('10.168.1.1', '::ffff:192.168.1.1/112')",
            "isInNetEx('198.95.249.78', '198.95.249.79/32')",
            "isInNetEx('198.96.115.10', '198.95.0.0/16')",
            "isInNetEx('3fff:8311:ffff:abcd:1234:dead:beef:101', '3ffe:8311:ffff::/48')",
            "isInNetEx('256.0.0.1', '198.95.249.79')",
            "isInNetEx('127.0.0.1 ', '127.0.0.1/32')",
            "isInNetEx('198.95.115.10', '198.95.0.0/34')",
            "isInNetEx('198.95.115.10', '198.95.0.0/+8')",
            "isInNetEx('127.0.0.1', '127.0.0.1')",
            "sortIpAddressList('')",
            "sortIpAddressList(' ;  ; ')",
            "sortIpAddressList('256.0.0.1')",
            "sortIpAddressList('192.168.1.1;0:0:0:1;127.0.0.1')",
        ],
    );
    for (expression, expected) in [
        ("dnsResolve('www.example')", "\"192.0.2.7\""),
        ("dnsResolve('WWW.example')", "\"192.0.2.7\""),
        ("dnsResolve('192.0.2.9')", "\"192.0.2.9\""),
        ("dnsResolve('nowhere.example')", "null"),
        ("dnsResolve()", "null"),
        ("dnsResolveEx('www.example')", "\"2001:db8::7;192.0.2.7\""),
        ("dnsResolveEx('nowhere.example')", "\"\""),
        ("convert_addr('104.16.41.2')", "1745889538"),
        ("convert_addr('255.255.255.255')", "-1"),
        ("isInNetEx()", "null"),
        ("isInNetEx(null, null, null)", "null"),
        ("isInNetEx('198.95.249.79')", "null"),
        ("sortIpAddressList()", "null"),
        ("sortIpAddressList(null)", "null"),
        ("sortIpAddressList('::2;::3;::1')", "\"::1;::2;::3\""),
        ("sortIpAddressList('192.168.1.1;0:0::1')", "\"0:0::1;192.168.1.1\""),
        ("sortIpAddressList('0::1;::1;0:0::1')", "\"0::1;::1;0:0::1\""),
        ("sortIpAddressList(';127.0.0.1;')", "\"127.0.0.1\""),
        ("sortIpAddressList('127.0.0.1;\t127.0.0.2;\t 127.0.0.0')", "\"127.0.0.0;127.0.0.1;127.0.0.2\""),
        (
            "sortIpAddressList('157.59.139.22;2001:4898:28:3:201:2ff:feea:fc14;fe80::5efe:157:9d3b:8b16')",
            "\"2001:4898:28:3:201:2ff:feea:fc14;fe80::5efe:157:9d3b:8b16;157.59.139.22\"",
        ),
        ("getClientVersion()", "\"1.0\""),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
    let own = value("[myIpAddress(), ...myIpAddressEx().split(';')]");
    let own: Vec<String> = serde_json::from_str(&own).expect("a list");
    assert!(own[0].parse::<IpAddr>().is_ok_and(|address| address.is_ipv4()), "{own:?}");
    assert!(own[1..].iter().all(|text| text.is_empty() || text.parse::<IpAddr>().is_ok()), "{own:?}");
}

#[test]
fn days_are_told_as_in_browsers() {
    const MARCH: Option<&str> = Some("Tue Mar 03 2009");
    const MARCH_GMT: Option<&str> = Some("Tue Mar 03 2009 GMT");
    holds(
        MARCH,
        &[
            "weekdayRange('MON', 'FRI')",
            "weekdayRange('TUE', 'FRI')",
            "weekdayRange('TUE', 'TUE')",
            "weekdayRange('SAT', 'WED')",
            "weekdayRange('TUE')",
            "dateRange(3)",
            "dateRange(2009)",
            "dateRange('MAR')",
            "dateRange(1, 4)",
            "dateRange(3, 'MAR')",
            // At the end of February it is over.
            "!dateRange('JAN', 'FEB')",
            "!dateRange('JAN', 'FOO')",
            // Odd, and so in browsers (https://crbug.com/827292).
            "dateRange(2, 'MAR')",
            "dateRange(3, 'JAN')",
            "dateRange(4, 'MAR', 2009)",
            "dateRange(3, 'MAR', 2009)",
            "dateRange('JAN', 'MAR')",
            "dateRange('MAR', 'JAN')",
            "dateRange('SEP', 'APR')",
            "dateRange('FEB', 'JAN')",
            "dateRange('MAR', 'APR')",
            "dateRange(1, 'JAN', 3, 'MAR')",
            "dateRange(3, 'MAR', 1, 'JAN')",
            "dateRange(4, 'SEP', 3, 'APR')",
            "dateRange(4, 'FEB', 3, 'JAN')",
            "dateRange(3, 'MAR', 4, 'SEP')",
            "dateRange('FEB', 2009, 'MAR', 2009)",
            "dateRange(1, 'JAN', 2009, 3, 'MAR', 2009)",
            "dateRange(3, 'MAR', 2009, 4, 'SEP', 2009)",
            "dateRange(3, 'JAN', 2009, 4, 'FEB', 2010)",
        ],
        &[
            "weekdayRange('WED', 'FRI')",
            "weekdayRange('SUN', 'MON')",
            "weekdayRange('SAT')",
            "weekdayRange('FRI', 'MON')",
            "weekdayRange()",
            "weekdayRange('TODAY')",
            "dateRange()",
            "dateRange(1)",
            "dateRange(2010)",
            "dateRange('FEB')",
            "dateRange(4, 20)",
            "dateRange('SEP', 'FEB')",
            "dateRange('MAY', 'SEP')",
            "dateRange(4, 'SEP', 3, 'FEB')",
            "dateRange(4, 'MAR', 4, 'SEP')",
            "dateRange(4, 'MAR', 2009, 4, 'SEP', 2009)",
        ],
    );
    holds(
        MARCH_GMT,
        &[
            "weekdayRange('MON', 'FRI', 'GMT')",
            "weekdayRange('TUE', 'FRI', 'GMT')",
            "weekdayRange('TUE', 'TUE', 'GMT')",
            "weekdayRange('TUE', 'GMT')",
            "dateRange(3, 'GMT')",
            "dateRange(1, 'MAR', 4, 'MAR', 'GMT')",
        ],
        &[
            "weekdayRange('WED', 'FRI', 'GMT')",
            "weekdayRange('SUN', 'MON', 'GMT')",
            "weekdayRange('SAT', 'GMT')",
            "dateRange(1, 'GMT')",
        ],
    );
    holds(Some("Mar 03 2014"), &["dateRange(3, 'MAR')", "dateRange(3, 'MAR', 2009)"], &[]);
    holds(
        Some("Apr 03 2009"),
        &["dateRange('FEB', 2009, 'MAR', 2010)"],
        &["dateRange('FEB', 2009, 'MAR', 2009)"],
    );
}

#[test]
fn hours_are_told_as_in_browsers() {
    holds(
        Some("Mar 03, 2009 03:34:14"),
        &[
            "timeRange(3)",
            "timeRange(2, 3)",
            "timeRange(2, 4)",
            "timeRange(3, 5)",
            "timeRange(1, 0, 3, 34)",
            "timeRange(3, 34, 1, 0)",
            "timeRange(1, 0, 3, 35)",
            "timeRange(3, 34, 5, 0)",
            "timeRange(1, 0, 0, 3, 34, 14)",
            "timeRange(1, 0, 0, 3, 35, 0)",
            "timeRange(3, 34, 0, 5, 0, 0)",
            // Past midnight.
            "timeRange(22, 0, 6, 0)",
        ],
        &[
            "timeRange()",
            "timeRange(2)",
            "timeRange(1, 2)",
            "timeRange(11, 12)",
            "timeRange(1, 0, 3, 0)",
            "timeRange(11, 0, 16, 0)",
            "timeRange(1, 0, 0, 3, 34, 0)",
            "timeRange(1, 0, 0, 3, 0, 0)",
            "timeRange(11, 0, 0, 16, 0, 0)",
            "timeRange(22, 0, 2, 0)",
        ],
    );
    holds(
        Some("2009-03-03T23:30:00Z"),
        &["timeRange(23, 'GMT')", "timeRange(23, 0, 23, 59, 'GMT')", "dateRange(3, 'GMT')"],
        &["timeRange(22, 'GMT')", "timeRange(0, 0, 23, 0, 'GMT')"],
    );
    assert!(matches!(answer("return timeRange(1, 2, 3)"), Err(ScriptError::Threw(_))));
}

#[test]
fn what_a_script_may_do_is_bounded() {
    for (body, expected) in [
        ("for (;;);", ScriptError::Time),
        ("for (;;) try { for (;;); } catch (e) {} finally { continue }", ScriptError::Time),
        ("return /^(a+)+$/.test('a'.repeat(40) + 'b') ? '' : ''", ScriptError::Time),
        ("return shExpMatch('a'.repeat(5000), '*a'.repeat(50) + 'b') ? '' : ''", ScriptError::Time),
        (
            "throw {get message() { for (;;); }, toString() { for (;;); }}",
            threw("a value of the type object"),
        ),
        (
            "var e = new Error(); Object.defineProperty(e, 'message', {get() { for (;;); }}); throw e",
            ScriptError::Time,
        ),
        ("var all = {}; for (;;) all = {all, more: [1, {}]};", ScriptError::Memory),
        ("for (var text = 'x';;) text += text;", ScriptError::Memory),
        ("return 'PROXY a:1;'.repeat(10000)", ScriptError::Long),
        ("return", ScriptError::NoText("undefined")),
        ("return null", ScriptError::NoText("null")),
        ("return 7", ScriptError::NoText("int")),
        ("return {toString() { for (;;); }, get length() { for (;;); }}", ScriptError::NoText("object")),
        ("return new String('DIRECT')", ScriptError::NoText("object")),
        ("return Symbol('DIRECT')", ScriptError::NoText("symbol")),
        ("throw 'up'", threw("up")),
        ("throw '\\u001b[31m' + 'x'.repeat(1000)", threw(&format!("\\u{{1b}}[31m{}…", "x".repeat(195)))),
        ("delete globalThis.FindProxyForURL; return 'DIRECT'", threw("")),
    ] {
        let time = if expected == ScriptError::Time { TIME } else { LONG };
        match (answer_within(time, body), expected) {
            (Err(ScriptError::Threw(what)), ScriptError::Threw(expected)) => {
                assert_eq!(what, expected, "{body}")
            }
            // A function that is declared cannot be deleted.
            (Ok(list), ScriptError::Threw(_)) => assert_eq!(list, "DIRECT"),
            (found, expected) => assert_eq!(found, Err(expected), "{body}"),
        }
    }
    let Err(ScriptError::Threw(why)) = answer("return FindProxyForURL(url, host)") else { panic!("endless") };
    assert!(why.contains("Maximum call stack size exceeded"), "{why}");
    let Err(ScriptError::Threw(why)) = answer("\n\n  throw new Error('up')") else { panic!("it throws") };
    assert!(why.starts_with("up (line 3:"), "{why}");
    for body in [
        "return eval('['.repeat(100000))",
        "return JSON.parse('['.repeat(100000))",
        "return new RegExp('('.repeat(100000))",
        "return '\\ud800'",
        "return dnsDomainIs()",
    ] {
        assert!(answer(body).is_err(), "{body}");
    }
}

fn threw(what: &str) -> ScriptError {
    ScriptError::Threw(what.to_owned())
}

#[test]
fn what_a_file_may_have_in_it() {
    for script in [
        "FindProxyForURL = function (url, host) { declared = host; return 'PROXY ' + declared + ':1' }",
        "const FindProxyForURL = 1; function FindProxyForURLEx(url, host) { return 'PROXY ' + host + ':1' }",
        "async function other() { await 1; }\nfunction FindProxyForURL(url, host) { other(); return `PROXY ${host}:1` }",
        "function* other() { yield 1; }\nfunction FindProxyForURL(url, host) { for (var n of other()) return `PROXY ${host}:${n}` }",
        // Its own helper goes before ours.
        "function dnsResolve(host) { return host + ':1' }\nfunction FindProxyForURL(url, host) { return 'PROXY ' + dnsResolve(host) }",
    ] {
        let engine = engine(script, LONG).unwrap_or_else(|error| panic!("{script}: {error}"));
        for _ in 0..2 {
            let found = engine.find("http://www.example/", "www.example");
            assert_eq!(found.as_deref(), Ok("PROXY www.example:1"), "{script}");
        }
    }
    for (script, why) in [
        ("", "no function FindProxyForURL"),
        ("var FindProxyForURL = 'DIRECT';", "no function FindProxyForURL"),
        ("function FindProxyForURL(url, host) {", "(line 1:"),
        ("<html>login</html>", "threw"),
        ("for (;;);", "more than 1s"),
        ("throw new Error('not here')", "not here"),
        ("var a = []; for (;;) a.push({a});", "16 MiB"),
    ] {
        let time = if why.ends_with("1s") { TIME } else { LONG };
        let error = engine(script, time).err().unwrap_or_else(|| panic!("{script}"));
        assert!(error.to_string().contains(why), "{script}: {error}");
    }
}

#[test]
fn what_it_says_by_alert_is_kept_within_bounds() {
    let engine = engine(
        "function FindProxyForURL() { for (var n = 0; n < 100; n++) alert(n + '\\u001b' + 'x'.repeat(1000)); return '' }",
        LONG,
    );
    let engine = engine.expect("a script");
    engine.find("http://www.example/", "www.example").expect("an answer");
    let alerts = engine.alerts();
    assert_eq!((alerts.len(), engine.alerts().len()), (8, 0));
    assert!(alerts[7].starts_with("7\\u{1b}xxx") && alerts[7].chars().count() < 220, "{alerts:?}");
}

#[test]
fn a_name_that_is_waited_for_costs_a_call_no_more_than_its_time() {
    let (asked, hears) = channel();
    let (lets_go, held) = channel::<()>();
    let held = Mutex::new(held);
    let slow = Names::by(move |name| {
        asked.send(name.to_owned()).expect("somebody counts");
        // Until the test is over.
        let _ = held.lock().expect("no panic").recv();
        Ok(vec![IpAddr::from([192, 0, 2, 1])])
    });
    let script = "function FindProxyForURL(url, host) { return dnsResolve(host) ? 'DIRECT' : 'PROXY a:1' }";
    let engine = Engine::new(script, &Arc::new(slow), TIME).expect("a script");
    let begun = Instant::now();
    assert_eq!(engine.find("http://slow.example/", "slow.example"), Err(ScriptError::Time));
    assert!(begun.elapsed() >= TIME);
    assert_eq!(hears.recv().as_deref(), Ok("slow.example"));
    drop(lets_go);
}

#[test]
fn a_name_is_looked_up_once_and_a_few_at_a_time() {
    let (asked, hears) = channel();
    let names = Names::by(move |name| {
        asked.send(name.to_owned()).expect("somebody counts");
        Ok(vec![IpAddr::from([192, 0, 2, 1])])
    });
    let until = Instant::now() + Duration::from_secs(300);
    for name in ["a.example", "A.EXAMPLE", "a.example", "", &"a".repeat(256), "192.0.2.9"] {
        names.resolve(name, until);
    }
    assert!(names.resolve("b.example", Instant::now()).is_empty());
    drop(names);
    assert_eq!(hears.iter().collect::<Vec<_>>(), ["a.example"]);

    let (lets_go, held) = channel::<()>();
    let held = Mutex::new(held);
    let stuck = Names::by(move |_| {
        let _ = held.lock().expect("no panic").recv();
        Ok(Vec::new())
    });
    let soon = || Instant::now() + Duration::from_millis(1);
    for number in 0..16 {
        stuck.resolve(&format!("{number}.example"), soon());
    }
    // There is no waiting for what is not asked.
    assert!(stuck.resolve("17.example", until).is_empty());
    drop(lets_go);
}

async fn loaded(script: &str) -> Script {
    Script::new(script.to_owned(), names(NAMES)).await.unwrap_or_else(|error| panic!("{script}: {error}"))
}

#[tokio::test]
async fn a_call_that_fails_costs_no_other() {
    let script = loaded(
        "var calls = 0; function FindProxyForURL(url, host) { calls++; switch (host) { case 'loop': for (;;); \
         case 'bomb': for (var all = {};;) all = {all}; case 'break': FindProxyForURL = null; return 'DIRECT'; \
         case 'throw': throw 'up' } return 'PROXY p' + calls + ':1' }",
    )
    .await;
    let find = |host: &'static str| {
        let script = &script;
        async move { script.find(&format!("http://{host}/"), host).await.found }
    };
    assert_eq!(find("a").await.as_deref(), Ok("PROXY p1:1"));
    assert_eq!(find("a").await.as_deref(), Ok("PROXY p2:1"));
    for (host, error) in [("loop", ScriptError::Time), ("bomb", ScriptError::Memory), ("throw", threw("up"))]
    {
        assert_eq!(find(host).await, Err(error));
        // As it was when it was read.
        assert_eq!(find("a").await.as_deref(), Ok("PROXY p1:1"), "{host}");
    }
    assert_eq!(find("break").await.as_deref(), Ok("DIRECT"));
    assert_eq!(find("a").await, Err(ScriptError::NoFunction));
    assert_eq!(find("a").await.as_deref(), Ok("PROXY p1:1"));
    // While one loops, others are answered.
    let (looped, other) = tokio::join!(find("loop"), find("a"));
    assert_eq!((looped, other.is_ok()), (Err(ScriptError::Time), true));
}

// The engine looks at the clock between the steps of a script; this is one step of many seconds.
#[tokio::test]
async fn a_call_that_cannot_be_stopped_is_left_to_itself() {
    let script = loaded(
        "function FindProxyForURL(url, host) { if (host == 'stuck') Array.prototype.lastIndexOf.call({length: 4e8}, 1); return 'DIRECT' }",
    )
    .await;
    let stuck = script.find("http://stuck/", "stuck");
    let other = script.find("http://a/", "a");
    let (stuck, other) = tokio::join!(stuck, other);
    assert_eq!((stuck.found, other.found.as_deref()), (Err(ScriptError::Time), Ok("DIRECT")));
    assert_eq!(script.find("http://a/", "a").await.found.as_deref(), Ok("DIRECT"));
}

#[test]
fn what_tls_hides_a_script_does_not_hear() {
    for (uri, url, host) in [
        ("http://Wiki.example/path?query", "http://wiki.example/path?query", "wiki.example"),
        ("http://carol:pw@wiki.example:8080", "http://wiki.example:8080/", "wiki.example"),
        ("http://wiki.example:80/", "http://wiki.example/", "wiki.example"),
        ("https://wiki.example/path?token=s3cret", "https://wiki.example/", "wiki.example"),
        ("https://carol:pw@wiki.example:8443/s3cret", "https://wiki.example:8443/", "wiki.example"),
        ("https://[2001:db8::1]:443/", "https://[2001:db8::1]/", "2001:db8::1"),
        ("wss://wiki.example/s3cret", "wss://wiki.example/", "wiki.example"),
    ] {
        let told = told(&uri.parse().expect("a URI"));
        assert_eq!(told, Some((url.to_owned(), host.to_owned())), "{uri}");
    }
    assert_eq!(told(&"/path".parse().expect("a URI")), None);
}

fn tls() -> ClientConfig {
    crate::trust::trusting(None, false).expect("the usual")
}

#[tokio::test]
async fn the_last_good_file_stays() {
    let folder = std::env::temp_dir().join(format!("legwork-pac-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("proxy.pac");
    let write = |text: &str| std::fs::write(&file, text).expect("written");
    write("\u{feff}function FindProxyForURL() { return 'PROXY old:1' }");
    let source = file.to_str().expect("UTF-8");
    let pac = Pac::with(source, &tls(), Names::of_the_system()).await.expect("a file");
    let uri: Uri = "http://wiki.example/".parse().expect("a URI");
    let found = || async { pac.find(&uri).await.proxies };
    assert_eq!(found().await.as_deref(), Ok("PROXY old:1"));
    for (bad, why) in [("function", "threw"), ("", "no function"), (&" ".repeat(1 << 21), "larger than")] {
        write(bad);
        let error = pac.reload().await.expect_err("it is none");
        assert!(error.contains(why) && error.contains(source), "{error}");
        assert_eq!(found().await.as_deref(), Ok("PROXY old:1"));
    }
    std::fs::remove_file(&file).expect("it is there");
    assert!(pac.reload().await.expect_err("it is gone").contains("cannot read"));
    write("function FindProxyForURL() { return 'PROXY new:1' }");
    pac.reload().await.expect("a file");
    assert_eq!(found().await.as_deref(), Ok("PROXY new:1"));
    let url = match cfg!(windows) {
        true => format!("file:///{}", source.replace('\\', "/")),
        false => format!("file://{source}"),
    };
    Pac::with(&url, &tls(), Names::of_the_system()).await.expect("the same file");
    std::fs::remove_dir_all(&folder).expect("it is there");
}

#[tokio::test]
async fn a_file_of_the_network_is_fetched_as_nobody() {
    use legwork::testing::{Offer, Server};

    let script = "function FindProxyForURL() { return 'PROXY p:1' }";
    let server = Server::builder().user("carol", "carol-pw").page(script).start().await.expect("a server");
    let url = server.uri("/proxy.pac").to_string();
    let pac = Pac::with(&url, &tls(), Names::of_the_system()).await.expect("a file");
    assert!(pac.is_remote() && pac.unchecked().is_some_and(|said| said.contains("without TLS")));
    assert!(server.report().legs().all(|leg| leg.authorization.is_none()));
    let closed =
        Server::builder().user("carol", "carol-pw").offer(Offer::Ntlm).start().await.expect("a server");
    for (source, why) in [
        (closed.uri("/proxy.pac").to_string(), "401"),
        ("http://carol:s3cret@127.0.0.1:1/proxy.pac".to_owned(), "user"),
        ("ftp://127.0.0.1/proxy.pac".to_owned(), "not ftp"),
        ("http://127.0.0.1:1/proxy.pac".to_owned(), "127.0.0.1:1"),
        ("file://server/share".to_owned(), "file:///path"),
    ] {
        let error = Pac::with(&source, &tls(), Names::of_the_system()).await.err().expect("no file");
        assert!(error.contains(why) && !error.contains("s3cret"), "{source}: {error}");
    }
    assert!(closed.report().legs().all(|leg| leg.authorization.is_none()));
}
