//! Scripts as they are found in companies, and what pypac makes of them: another implementation, in Python over Duktape.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::*;

/// One of the lab's values.
fn lab(key: &str) -> String {
    let path = std::env::var("LEGWORK_LAB").expect("LEGWORK_LAB is set: start these tests with tests/run");
    let text = std::fs::read_to_string(&path).expect("the lab is up");
    let found = text.lines().filter_map(|line| line.split_once('=')).find(|(name, _)| *name == key);
    found.unwrap_or_else(|| panic!("the lab has no {key}")).1.to_owned()
}

const SCRIPTS: &[&str] = &[
    "function FindProxyForURL(url, host) { return 'DIRECT'; }",
    r#"
// A branch office: what is here is straight, what is in the head office by its proxy.
function FindProxyForURL(url, host)
{
    host = host.toLowerCase();
    if (isPlainHostName(host) || dnsDomainIs(host, ".branch.corp.example") || localHostOrDomainIs(host, "www.branch.corp.example"))
        return "DIRECT";
    if (dnsDomainIs(host, ".corp.example"))
        return "PROXY head.corp.example:8080; PROXY spare.corp.example:8080";
    return "PROXY internet.corp.example:3128; DIRECT";
}
"#,
    r#"
var direct = ["*.local", "*.corp.example", "intranet*", "192.168.*", "10.?.*"];
var byScheme = {"http:": "PROXY web:80", "https:": "PROXY tls:443", "ftp:": "DIRECT"};
function FindProxyForURL(url, host) {
  for (var i = 0; i < direct.length; i++) if (shExpMatch(host, direct[i])) return "DIRECT";
  return byScheme[url.substring(0, url.indexOf("//"))] || "PROXY other:1";
}
"#,
    r#"
function FindProxyForURL(url, host) {
  var resolved = dnsResolve(host);
  if (resolved && (isInNet(resolved, "10.0.0.0", "255.0.0.0") || isInNet(resolved, "172.16.0.0", "255.240.0.0") ||
      isInNet(resolved, "192.168.0.0", "255.255.0.0") || isInNet(resolved, "127.0.0.0", "255.0.0.0"))) return "DIRECT";
  if (!isResolvable(host)) return "PROXY unknown:1";
  switch (dnsDomainLevels(host)) {
    case 0: return "PROXY zero:1";
    case 1: return "PROXY one:1";
    case 2: return "PROXY two:1";
    default: return "PROXY more:1";
  }
}
"#,
    r#"
// Spreads the load by what Sharp's super proxy script does: a number from the name.
function hash(text) { var sum = 0; for (var i = 0; i < text.length; i++) sum = (sum * 31 + text.charCodeAt(i)) % 65521; return sum; }
var proxies = ["PROXY a:1", "PROXY b:1", "PROXY c:1", "HTTPS d:1"];
function FindProxyForURL(url, host) {
  var first = hash(host) % proxies.length, list = [];
  for (var i = 0; i < proxies.length; i++) list.push(proxies[(first + i) % proxies.length]);
  return list.join("; ");
}
"#,
    r#"
function FindProxyForURL(url, host) {
  var m = /^https?:\/\/([^\/:]+)(?::(\d+))?\//.exec(url);
  if (!m) return "PROXY none:1";
  if (m[2] && m[2] != "8080") return "PROXY port" + m[2] + ":1";
  if (/^(www|ftp)\d*\./i.test(m[1])) return "PROXY www:1";
  try { undefined_function(); } catch (e) { return "PROXY " + (e instanceof ReferenceError ? "caught" : "odd") + ":1"; }
}
"#,
    r#"
function FindProxyForURL(url, host) {
  if (weekdayRange("SUN", "SAT") && dateRange("JAN", "DEC") && dateRange(1, 31) && timeRange(0, 23)
      && timeRange(0, 0, 23, 59) && !dateRange(1999) && dateRange(1999, 2999)) return "PROXY always:1";
  return "PROXY never:1";
}
"#,
    r#"
function FindProxyForURL(url, host) {
  if (isInNet(host, "192.0.2.0", "255.255.255.0")) return "PROXY documentation:1";
  if (isInNet(host, "10.1.2.3", "255.255.255.255")) return "PROXY one:1";
  if (isInNet(host, "0.0.0.0", "0.0.0.0")) return "PROXY any:1";
  return "PROXY none:1";
}
"#,
    r#"
var cache = {};
function FindProxyForURL(url, host) {
  if (!cache[host]) cache[host] = JSON.stringify({h: host, n: String(url.length % 7)}).replace(/["{}:,]/g, "");
  return "PROXY " + cache[host] + ":" + (8000 + parseInt("1f", 16));
}
"#,
];

const URLS: &[&str] = &[
    "http://intranet/",
    "http://intranet.corp.example/start?a=b",
    "http://www.branch.corp.example/",
    "https://www.branch.corp.example/",
    "https://files.head.corp.example/",
    "http://corp.example/",
    "http://notcorp.example/",
    "http://printer.local/",
    "http://192.168.7.8/status",
    "https://10.1.2.3/",
    "http://10.77.2.3/",
    "http://192.0.2.200:8080/",
    "https://www.site.example/",
    "http://www2.site.example/a/b/c",
    "http://a.b.c.d.site.example:9090/",
    "http://unknown.example/",
    "http://inside.site.example/",
];

const NAMES: &[(&str, &str)] = &[
    ("intranet", "10.0.0.1"),
    ("intranet.corp.example", "172.31.255.1"),
    ("www.branch.corp.example", "172.32.0.1"),
    ("files.head.corp.example", "192.168.255.255"),
    ("corp.example", "192.0.2.1"),
    ("notcorp.example", "198.51.100.1"),
    ("www.site.example", "203.0.113.1"),
    ("www2.site.example", "203.0.113.2"),
    ("a.b.c.d.site.example", "203.0.113.3"),
    ("inside.site.example", "10.1.2.3"),
];

#[tokio::test]
#[ignore = "tests/run has pypac"]
async fn a_script_answers_what_pypac_has_it_answer() {
    let question = json!({ "scripts": SCRIPTS, "urls": URLS, "names": NAMES });
    let mut python = Command::new(lab("PYPAC"))
        .arg(lab("PYPAC_ORACLE"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    let mut stdin = python.stdin.take().expect("a pipe");
    stdin.write_all(question.to_string().as_bytes()).expect("sent");
    drop(stdin);
    let output = python.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", output.status);
    let theirs: Vec<Vec<Value>> = serde_json::from_slice(&output.stdout).expect("its answers");
    assert_eq!(theirs.len(), SCRIPTS.len());

    let names = Names::by(|name| {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        let (_, address) = found.ok_or_else(|| std::io::Error::other("no such name"))?;
        Ok(vec![address.parse().expect("an address")])
    });
    let (names, mut compared) = (Arc::new(names), 0);
    for (script, theirs) in SCRIPTS.iter().zip(&theirs) {
        let ours = Script::new((*script).to_owned(), Arc::clone(&names)).await.expect("a script");
        for (url, theirs) in URLS.iter().zip(theirs) {
            let (url, host) = told(&url.parse().expect("a URL")).expect("a host");
            let found = ours.find(&url, &host).await.found.expect("an answer");
            assert_eq!(Some(found.as_str()), theirs.as_str(), "{url}: {script}");
            compared += 1;
        }
    }
    assert_eq!(compared, SCRIPTS.len() * URLS.len());
}
