//! What is asked for: the URL, and the files that are named after it.

use std::path::{Path, PathBuf};

use http::Uri;
use legwork::Origin;

use crate::advice::{self, Advice};
use crate::exit::Exit;

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) uri: Uri,
    pub(super) origin: Origin,
}

impl Target {
    /// Reads a URL. To one that ends with a slash, the name of an uploaded file is added, as with curl.
    pub(super) fn parse(url: &str, upload: Option<&Path>) -> Result<Self, Advice> {
        let name = upload.and_then(Path::file_name).filter(|name| *name != "-");
        let url = match name {
            Some(name) if ends_with_a_slash(url) => format!("{url}{}", encoded(name.as_encoded_bytes())),
            _ => url.to_owned(),
        };
        let uri: Uri = url.parse().map_err(|_| advice::on_no_url(&url))?;
        let origin = Origin::from_uri(&uri).map_err(|_| advice::on_no_url(&url))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            // Without the URL, which may have a password in it.
            return Err(Advice::new(
                Exit::Usage,
                "there is a user in the URL, and everybody on this machine can read a command line",
                "Leave out what stands before the @, and give the user by -u.",
            ));
        }
        Ok(Self { uri, origin })
    }

    /// The last part of the path, as it is written there.
    pub(super) fn file_name(&self) -> Result<PathBuf, Advice> {
        let name = self.uri.path().rsplit('/').next().unwrap_or_default();
        if matches!(name, "" | "." | "..") || name.contains(['\\', ':']) {
            return Err(Advice::new(
                Exit::File,
                "the URL does not end with the name of a file",
                "Name one by -o FILE.",
            ));
        }
        Ok(PathBuf::from(name))
    }
}

fn ends_with_a_slash(url: &str) -> bool {
    // The slashes behind the scheme are no path.
    url.ends_with('/') && !url.contains(['?', '#'])
}

fn encoded(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len());
    for &octet in octets {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(octet))
            }
            _ => out.push_str(&format!("%{octet:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(url: &str, upload: Option<&str>) -> String {
        Target::parse(url, upload.map(Path::new)).expect("a URL").uri.to_string()
    }

    #[test]
    fn the_name_of_an_upload_is_added_to_a_folder() {
        assert_eq!(uri("http://a/b/", Some("/tmp/c d+ä.txt")), "http://a/b/c%20d%2B%C3%A4.txt");
        assert_eq!(uri("http://a/", Some("c")), "http://a/c");
        for url in ["http://a/b", "http://a/b?c/", "http://a/b/?c"] {
            assert_eq!(uri(url, Some("d")), url);
        }
        assert_eq!(uri("http://a/b/", Some("-")), "http://a/b/");
        assert_eq!(uri("http://a/b/", None), "http://a/b/");
    }

    #[test]
    fn what_is_no_url_for_http_is_refused() {
        for url in [
            "",
            "a",
            "a/b",
            "//a/b",
            "ftp://a/",
            "http://",
            "http:///b",
            "http://a b/",
            "mailto:a@b",
            "http://ä/",
        ] {
            let advice = Target::parse(url, None).expect_err(url);
            assert_eq!(advice.exit, Exit::Url, "{url}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_told() {
        for (url, word) in [
            ("https://b\u{fc}cher.example/", "xn--"),
            ("https://a:99999/", "port"),
            ("https://a:8o/", "port"),
            ("https://[::1]:x/", "port"),
            ("https://a/b c", "%20"),
            ("mail.example", "in full"),
        ] {
            let advice = Target::parse(url, None).expect_err(url);
            assert!(advice.next.contains(word), "{url}: {advice}");
        }
        let advice = Target::parse("https://carol:carol-pw@b c/", None).expect_err("no URL");
        assert!(!advice.to_string().contains("carol"), "{advice}");
    }

    #[test]
    fn a_user_in_the_url_is_refused_without_showing_the_password() {
        let advice = Target::parse("http://carol:carol-pw@a/", None).expect_err("a user");
        assert_eq!(advice.exit, Exit::Usage);
        assert!(!advice.to_string().contains("carol"), "{advice}");
    }

    #[test]
    fn a_file_is_named_as_in_the_url_and_stays_in_the_folder() {
        let name = |url| Target::parse(url, None).expect("a URL").file_name();
        assert_eq!(name("http://a/b/c%20d.txt?e=/f"), Ok("c%20d.txt".into()));
        for url in [
            "http://a",
            "http://a/",
            "http://a/b/",
            "http://a/..",
            "http://a/b/.",
            "http://a/c:d",
            "http://a/%5C\\..",
        ] {
            let advice = name(url).expect_err(url);
            assert_eq!(advice.exit, Exit::File);
        }
    }
}
