//! Redirects between `http` and `https`.

use http::{HeaderValue, Method, header};
use legwork::client::redirect::{FollowRedirects, FollowRedirectsLayer, Redirected, Redirects, Stopped};
use legwork::testing::{Quirk, When};
use tower::{Layer, ServiceExt};

use super::*;

fn leading_to(uri: &Uri, builder: Builder) -> Builder {
    let location = HeaderValue::from_str(&uri.to_string()).expect("a value");
    builder.quirk_when(When::path("/status/307"), Quirk::Field(header::LOCATION, location))
}

#[tokio::test]
async fn no_redirect_from_https_to_http_is_followed_unless_asked_for_by_name() {
    let plain = server([Offer::Ntlm]).start().await.expect("a server");
    let https = Https::start(leading_to(&plain.uri("/"), server([Offer::Ntlm])), RSA).await;
    let inner = client(https.authenticator().credentials(plain.origin(), carol()));
    let from = || request("GET", https.uri("/status/307"), "");
    let response = FollowRedirects::new(inner.clone()).request(from()).await.expect("a response");
    assert_eq!(response.status(), 307);
    let redirected: &Redirected = response.extensions().get().expect("it says where it comes from");
    assert_eq!((redirected.hops, redirected.stopped), (0, Some(Stopped::PlainHttp)));
    text(response).await;
    assert_eq!(plain.report().connections().len(), 0);

    let layer = FollowRedirectsLayer::new(Redirects::default().dangerous_to_plain_http(true));
    let response = layer.layer(inner).oneshot(from()).await.expect("a response");
    assert_eq!(response.status(), 200);
    text(response).await;
    assert_eq!(statuses(&plain.report()), [401, 401, 200]);
}

#[tokio::test]
async fn a_redirect_from_http_to_https_leaves_the_login_behind() {
    let https = Https::start(requiring(Offer::Ntlm, RSA.bindings()), RSA).await;
    let plain = leading_to(&https.uri("/"), server_of_three([Offer::Ntlm])).start().await.expect("a server");
    let client = FollowRedirects::new(client(https.authenticator()));
    let mut request = acting_as(get(&plain, "/status/307"), alice());
    *request.method_mut() = Method::DELETE;
    let response = client.request(request).await.expect("a response");
    assert_eq!(response.status(), 200);
    assert!(text(response).await.starts_with(USER));
    assert_eq!(statuses(&plain.report()), [401, 401, 307]);
    assert_eq!(statuses(&https.report()), [401, 401, 200]);
    assert!(https.report().legs().all(|leg| leg.method == Method::DELETE));
}
