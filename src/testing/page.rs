//! What the server serves behind its authentication.

use http::{Method, StatusCode};

/// A page, by its path. Any other path is a plain page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// `/public…`: no authentication is demanded.
    Public,
    /// `200`, and who was served.
    Plain,
    /// `/denied…`: `401` even for users who have proven who they are, as an ACL does (IIS 401.3).
    Denied,
    /// A tunnel by `CONNECT`.
    Tunnel,
    /// `/upgrade`: another protocol, in which the server sends back what comes.
    Upgrade,
    /// `/status/NNN`, and `/method-not-allowed` for all but `GET`.
    Status(StatusCode),
}

impl Page {
    pub(super) fn of(method: &Method, path: &str) -> Self {
        if method == Method::CONNECT {
            return Self::Tunnel;
        }
        if let Some(code) = path.strip_prefix("/status/") {
            // An interim status is no answer.
            let status = code.parse().ok().filter(|status: &StatusCode| !status.is_informational());
            return Self::Status(status.unwrap_or(StatusCode::NOT_FOUND));
        }
        match path {
            _ if path.starts_with("/public") => Self::Public,
            _ if path.starts_with("/denied") => Self::Denied,
            "/upgrade" => Self::Upgrade,
            "/method-not-allowed" if method != Method::GET => Self::Status(StatusCode::METHOD_NOT_ALLOWED),
            _ => Self::Plain,
        }
    }

    /// The status for those who get in.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Public | Self::Plain | Self::Tunnel => StatusCode::OK,
            Self::Upgrade => StatusCode::SWITCHING_PROTOCOLS,
            Self::Denied => StatusCode::UNAUTHORIZED,
            Self::Status(status) => status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_page() {
        let status = |method, path| Page::of(&method, path).status().as_u16();
        assert_eq!(status(Method::GET, "/status/418"), 418);
        for odd in ["/status/", "/status/101", "/status/99999", "/status/x"] {
            assert_eq!(status(Method::GET, odd), 404, "{odd}");
        }
        assert_eq!(status(Method::HEAD, "/method-not-allowed"), 405);
        assert_eq!(status(Method::GET, "/method-not-allowed"), 200);
        assert_eq!(Page::of(&Method::CONNECT, ""), Page::Tunnel);
        assert_eq!(Page::of(&Method::GET, "/public/logo"), Page::Public);
    }
}
