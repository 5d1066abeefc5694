//! The head of an answer, to be printed.

use http::Response;

use crate::output::visible;

/// The status line and the fields as they came; for a terminal, without what could do something to it.
pub(super) fn head<B>(response: &Response<B>, for_terminal: bool) -> Vec<u8> {
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut out = format!("{:?} {} {reason}\r\n", response.version(), status.as_u16()).into_bytes();
    for (name, value) in response.headers() {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        match for_terminal {
            true => out.extend_from_slice(visible(&String::from_utf8_lossy(value.as_bytes())).as_bytes()),
            false => out.extend_from_slice(value.as_bytes()),
        }
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_nothing_but_text() {
        let response = Response::builder()
            .status(404)
            .header("x-a", &b"b\tc\x9b31m\xff"[..])
            .body(())
            .expect("a response");
        assert_eq!(head(&response, false), b"HTTP/1.1 404 Not Found\r\nx-a: b\tc\x9b31m\xff\r\n\r\n");
        let shown = String::from_utf8(head(&response, true)).expect("UTF-8");
        assert_eq!(shown, "HTTP/1.1 404 Not Found\r\nx-a: b\\tc\u{fffd}31m\u{fffd}\r\n\r\n");
    }
}
