//! Tokens that a server no longer takes.

use super::*;

#[test]
fn a_token_is_not_tried_again_though_it_was_proven() {
    let mut requests = Requests::accepted();
    requests.end(ORIGIN, "/", Evidence::WornOut);
    assert_eq!(requests.told(ORIGIN, "/"), Told::Refused);
    requests.pass(24 * 60 * 60);
    assert_eq!(requests.told(ORIGIN, "/"), Told::Refused);
    requests.credentials = Credentials::bearer_token("another");
    assert_eq!(requests.told(ORIGIN, "/"), Go);
}
