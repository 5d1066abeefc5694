//! What the conversations share.

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use legwork::client::hyper::{ClientBuilder, ResponseBody};
use legwork::handshake::{AuthenticatorBuilder, Login, Outcome, Refusal};
use legwork::testing::{Builder, Offer, Report, Server};
use legwork::{Authenticator, Client, Credentials};

pub(crate) type HttpClient = Client<HttpConnector, Full<Bytes>>;

pub(crate) const USER: &str = "LAB\\carol";
pub(crate) const PASSWORD: &str = "carol-pw";

/// A server that knows carol and offers these schemes.
pub(crate) fn server(offers: impl IntoIterator<Item = Offer>) -> Builder {
    offers.into_iter().fold(Server::builder().user(USER, PASSWORD), Builder::offer)
}

pub(crate) fn carol() -> Credentials {
    Credentials::password(USER, PASSWORD)
}

/// An authenticator that holds carol's password for the server.
pub(crate) fn authenticator(server: &Server) -> AuthenticatorBuilder {
    Authenticator::builder().credentials(server.origin(), carol())
}

pub(crate) fn client(server: &Server) -> HttpClient {
    build(Client::builder(authenticator(server).build()))
}

pub(crate) fn build(builder: ClientBuilder) -> HttpClient {
    builder.build_http()
}

pub(crate) fn get(server: &Server, path: &str) -> Request<Full<Bytes>> {
    request("GET", server.uri(path), "")
}

pub(crate) fn request(method: &str, uri: Uri, body: &'static str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri(uri).body(Full::from(body)).expect("a request")
}

/// Reads the response to its end.
pub(crate) async fn text(response: Response<ResponseBody>) -> String {
    let octets = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(octets.to_vec()).expect("UTF-8")
}

pub(crate) fn login<B>(response: &Response<B>) -> &Login {
    match response.extensions().get() {
        Some(Outcome::LoggedIn(login)) => login,
        other => panic!("no login: {other:?}"),
    }
}

pub(crate) fn refusal<B>(response: &Response<B>) -> &Refusal {
    match response.extensions().get() {
        Some(Outcome::Refused(refusal)) => refusal,
        other => panic!("no refusal: {other:?}"),
    }
}

/// The statuses of all legs, in order.
pub(crate) fn statuses(report: &Report) -> Vec<u16> {
    report.legs().map(|leg| leg.status.expect("answered").as_u16()).collect()
}
