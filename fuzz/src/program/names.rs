//! Any value as a URL in a field of the gateway's: the origin's becomes the listener's and the other way round, and nothing
//! else does.

use http::header::{HeaderMap, HeaderValue, LOCATION, REFERER};
use http::{HeaderName, Uri};
use legwork::Origin;

use super::files::{put_right_in_request, put_right_in_response};

const OWN: &str = "http://127.0.0.1:8081";

/// Panics if anything is wrong. Says whether the value named the origin.
pub fn check(input: &[u8]) -> Option<bool> {
    let value = HeaderValue::from_bytes(input).ok()?;
    let origin: Origin = "https://a.example:8443".parse().expect("an origin");
    let from_the_origin = changed(LOCATION, &value, |fields| put_right_in_response(fields, &origin, OWN));
    let from_a_page = changed(REFERER, &value, |fields| put_right_in_request(fields, &origin, OWN));
    assert!(
        from_a_page == value || named(&value).is_none_or(|named| named == OWN.parse().expect("an origin"))
    );
    if from_the_origin == value {
        // Userinfo stays where it is; so does what a browser would read in another way.
        let text = value.to_str().ok()?;
        let is_plain = !text.contains(['@', '\\']);
        assert!(!is_plain || named(&value) != Some(origin), "{value:?} stays");
        return Some(false);
    }
    assert!(named(&value).is_none_or(|named| named == origin), "{value:?} becomes {from_the_origin:?}");
    let rest = from_the_origin.as_bytes().strip_prefix(OWN.as_bytes()).expect("it is of the listener");
    assert!(value.as_bytes().ends_with(rest), "{value:?} becomes {from_the_origin:?}");
    // The way back leads to where it came from.
    let back = changed(REFERER, &from_the_origin, |fields| put_right_in_request(fields, &origin, OWN));
    assert_eq!(back.as_bytes(), [origin.to_string().as_bytes(), rest].concat());
    Some(true)
}

fn changed(name: HeaderName, value: &HeaderValue, change: impl FnOnce(&mut HeaderMap)) -> HeaderValue {
    let mut fields = HeaderMap::new();
    fields.insert(&name, value.clone());
    change(&mut fields);
    fields.remove(&name).expect("it stays a field")
}

/// The origin that the value names as a whole URI.
fn named(value: &HeaderValue) -> Option<Origin> {
    Origin::from_uri(&Uri::try_from(value.as_bytes()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::seeds;

    #[test]
    fn the_seeds_are_put_right_and_their_beginnings_do_no_harm() {
        for (name, seed) in seeds::of("names") {
            assert_eq!(check(&seed), Some(!name.starts_with("not-")), "{name}");
            for end in 0..seed.len() {
                check(&seed[..end]);
            }
        }
    }

    #[test]
    fn any_octet_may_be_damaged() {
        for damaged in seeds::damaged("names") {
            check(&damaged);
        }
    }
}
