//! What the proxy's listener says of the gateway: a page, and numbers for Prometheus.

use std::fmt::Write;

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};

use crate::output::visible;

use super::answer::{self, Body};
use super::counts::Counts;

/// Answers a request that is for the gateway itself.
pub(super) fn answer<B>(request: &Request<B>, counts: &Counts) -> Response<Body> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let (kind, content) = match request.uri().path() {
        _ if !is_read => return no_server(),
        "/" => ("text/html; charset=utf-8", page(counts)),
        "/metrics" => ("text/plain; version=0.0.4; charset=utf-8", metrics(counts)),
        _ => return no_server(),
    };
    let mut response = answer::text(StatusCode::OK, content);
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in [
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ] {
        fields.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn no_server() -> Response<Body> {
    answer::text(
        StatusCode::BAD_REQUEST,
        "legwork gateway: this is a proxy, and a server only for its own status at / and /metrics; the variables \
         http_proxy and https_proxy, or a program's own settings, lead requests through it\n",
    )
}

/// Without scripts. What a PAC file has written is text in it.
fn page(counts: &Counts) -> String {
    let rows = counts.numbers().into_iter().fold(String::new(), |mut rows, number| {
        let _ = writeln!(rows, "<tr><th scope=row>{}<td>{}", number.says, number.value);
        rows
    });
    let pac = counts.pac().map_or_else(String::new, |pac| {
        let failure = pac.failure.map(|why| format!("<br>The last failure: {}.", text(&why)));
        format!("<p>{}.{}</p>\n", text(&pac.source), failure.unwrap_or_default())
    });
    format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<meta name=viewport content=\"width=device-width\">\n\
         <title>legwork gateway</title>\n<style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem \
         auto;padding:0 1rem;color:#222;background:#fff}}table{{border-collapse:collapse;width:100%}}th,td{{text-align:\
         left;font-weight:400;padding:.25rem 0;border-bottom:1px solid #ddd}}td{{text-align:right;font-variant-numeric:\
         tabular-nums}}@media(prefers-color-scheme:dark){{body{{color:#ddd;background:#222}}th,td{{border-color:#444}}}}\
         </style>\n<h1>legwork gateway</h1>\n<p>Version {}. It logs in for programs that cannot.</p>\n<table>\n{rows}\
         </table>\n{pac}<p><a href=/metrics>The same for Prometheus</a></p>\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// A text that is nothing else in a page.
fn text(text: &str) -> String {
    visible(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Prometheus' text format.
fn metrics(counts: &Counts) -> String {
    counts.numbers().into_iter().fold(String::new(), |mut text, number| {
        let kind = if number.can_fall { "gauge" } else { "counter" };
        let _ = writeln!(
            text,
            "# HELP {name} {says}.\n# TYPE {name} {kind}\n{name} {value}",
            name = number.name,
            says = number.says,
            value = number.value,
        );
        text
    })
}
