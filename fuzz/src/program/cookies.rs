//! Any lines as an origin's cookies and a browser's: none that wants TLS by its name gets to the browser, or comes from it.

use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};

use super::files::Jar;

/// Panics if anything is wrong. The input is a path and lines: `<` is what the origin sets, `>` what the browser sends. Says
/// whether a cookie of its own reached the origin again.
pub fn check(input: &[u8]) -> bool {
    let mut lines = input.split(|octet| *octet == b'\n');
    let path = lines.next().and_then(|path| std::str::from_utf8(path).ok()).unwrap_or("/");
    let (jar, mut set, mut came_back) = (Jar::default(), Vec::new(), false);
    for line in lines.take(100) {
        let (Some((kind, value)), mut fields) = (line.split_first(), HeaderMap::new()) else { continue };
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        match kind {
            b'<' => {
                set.push(value.clone());
                fields.append(SET_COOKIE, value);
                jar.take_from(&mut fields, path, &"https://a.b.example".parse().expect("an origin"));
                for passed in fields.get_all(SET_COOKIE) {
                    let (name, attributes) = taken_apart(passed.as_bytes());
                    assert!(!name.is_empty() && !wants_tls(&name), "{passed:?}");
                    let refused: [&[u8]; 3] = [b"domain", b"secure", b"partitioned"];
                    assert!(!attributes.iter().any(|name| refused.contains(&&name[..])), "{passed:?}");
                }
            }
            b'>' => {
                fields.append(COOKIE, value.clone());
                jar.add_to(&mut fields, path);
                for pair in fields.get_all(COOKIE).iter().flat_map(pairs) {
                    let (name, _) = taken_apart(&pair);
                    if wants_tls(&name) {
                        // It is the origin's word, not the browser's.
                        assert!(set.iter().any(|set| taken_apart(set.as_bytes()).0 == name), "{pair:?}");
                        came_back = true;
                    } else {
                        assert!(pairs(&value).contains(&pair), "{pair:?} of {value:?}");
                    }
                }
            }
            _ => {}
        }
    }
    came_back
}

fn pairs(value: &HeaderValue) -> Vec<Vec<u8>> {
    value.as_bytes().split(|octet| *octet == b';').map(|pair| pair.trim_ascii().to_vec()).collect()
}

/// The name of the cookie, and those of its attributes, in small letters.
fn taken_apart(cookie: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let names = cookie.split(|octet| *octet == b';').map(|part| {
        let name = part.split(|octet| *octet == b'=').next().unwrap_or_default();
        name.trim_ascii().to_ascii_lowercase()
    });
    let mut names = names.collect::<Vec<_>>().into_iter();
    (names.next().unwrap_or_default(), names.collect())
}

fn wants_tls(name: &[u8]) -> bool {
    name.starts_with(b"__host-") || name.starts_with(b"__secure-")
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::seeds;

    #[test]
    fn the_seeds_come_back_and_their_beginnings_do_no_harm() {
        for (name, seed) in seeds::of("cookies") {
            assert_eq!(check(&seed), !name.starts_with("not-"), "{name}");
            for end in 0..seed.len() {
                check(&seed[..end]);
            }
        }
    }

    #[test]
    fn any_octet_may_be_damaged() {
        for damaged in seeds::damaged("cookies") {
            check(&damaged);
        }
    }
}
