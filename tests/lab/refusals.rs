//! Logins that do not succeed: each ends soon, and says why.

use legwork::handshake::{Renewal, Why};
use legwork::service::ErrorKind;

use crate::support::*;

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_is_refused_and_tried_once() {
    for site in sites() {
        for path in ["/ntlm/", "/all/"] {
            let mark = format!("wrong-{}{}", site.scheme, path.trim_end_matches('/'));
            let uri = site.uri(&format!("{path}?{mark}"));
            // Basic, the fallback, would be allowed on plain http too.
            let authenticator = site.authenticator(site.not_carol()).dangerous_secrets_over_plain_http(true);
            let client = site.client_with(authenticator);
            let page = Page::get(&client, uri.clone()).await;
            assert!(matches!(page.why("Negotiate"), Why::Refused(_)), "{mark}: {page:?}");
            let legs = site.log(&mark, 3).await;
            assert_eq!(statuses(&legs), [401, 401, 401], "{mark}: no Basic after Negotiate");

            let page = Page::get(&client, uri).await;
            assert_eq!(page.why("Negotiate"), &Why::RefusedBefore, "{mark}");
            let legs = site.log(&mark, 4).await;
            assert_eq!(legs.len(), 4, "{mark}: one request more, and no password with it");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_is_refused_by_raw_ntlm_too() {
    for site in sites() {
        let mark = format!("wrong-ntlm-{}", site.scheme);
        let [_, (_, ntlm)] = site.by_each_scheme(site.not_carol());
        let page = Page::get(&site.client_with(ntlm), site.uri(&format!("/ntlm/?{mark}"))).await;
        assert_eq!(page.why("NTLM"), &Why::Refused(None), "{mark}");
        assert_eq!(statuses(&site.log(&mark, 3).await), [401, 401, 401]);
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn the_right_password_gets_in_after_a_wrong_one() {
    for site in sites() {
        let client = site.client(site.not_carol());
        assert_eq!(Page::get(&client, site.uri("/ntlm/")).await.status, 401);
        let mut request = get(site.uri("/ntlm/"));
        request.extensions_mut().insert(site.carol());
        let page = Page::of(&client, request).await;
        assert_eq!((page.status, page.user.as_str()), (200, "LAB\\carol"), "{}: {page:?}", site.scheme);
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn basic_is_not_sent_over_plain_http_unless_asked_for() {
    for site in sites().into_iter().filter(|site| site.scheme == "http") {
        let uri = site.uri("/basic/?plain-basic");
        let page = Page::get(&site.client(site.user()), uri.clone()).await;
        assert_eq!(page.why("Basic"), &Why::RevealsSecret);
        assert_eq!(site.log("plain-basic", 1).await.len(), 1, "nothing was sent after the challenge");

        let asked_for = site.authenticator(site.user()).dangerous_secrets_over_plain_http(true);
        let page = Page::get(&site.client_with(asked_for), uri).await;
        assert_eq!((page.status, page.user.as_str()), (200, "user"), "{page:?}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn gives_up_with_a_reason_where_each_leg_closes() {
    for site in sites() {
        for (scheme, authenticator) in site.by_each_scheme(site.carol()) {
            let mark = format!("close-{}-{scheme}", site.scheme);
            let client = site.client_with(authenticator);
            let error =
                client.get(site.uri(&format!("/ntlm-close/?{mark}"))).await.expect_err("never lets in");
            let closed = ErrorKind::NewConnectionNeeded(Renewal::ClosedInHandshake);
            assert_eq!(format!("{:?}", error.kind()), format!("{closed:?}"), "{mark}");
            assert!(error.to_string().contains("in the middle of the handshake"), "{error}");
            assert_eq!(client.connections(), (0, 0), "{mark}");
            let legs = site.log(&mark, 2).await;
            assert!(legs.len() <= 5, "{mark}: the first try and three more: {legs:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn gives_up_with_a_reason_where_the_server_forgets_the_first_leg() {
    for site in sites() {
        let mark = format!("unbound-{}", site.scheme);
        let page = Page::get(&site.client(site.carol()), site.uri(&format!("/ntlm-unbound/?{mark}"))).await;
        let forgot = "the server answered the first message with a bare challenge";
        assert_eq!(page.why("Negotiate"), &Why::CannotStart(forgot.to_owned()), "{mark}");
        assert_eq!(statuses(&site.log(&mark, 2).await), [401, 401], "{mark}: no password was sent");
    }
}
