use std::marker::PhantomData;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;

/// What the requests are made from, with a body of the type `T`.
pub(crate) struct Template<T> {
    method: Method,
    /// Each in its turn.
    uris: Vec<Uri>,
    host: Option<HeaderValue>,
    body: Bytes,
    of_body: PhantomData<fn() -> T>,
}

impl Template<Full<Bytes>> {
    pub(crate) fn of_a_connection(address: SocketAddr, method: &Method) -> Self {
        let host = address.to_string().parse().expect("a field value");
        Self::new(method, vec![Uri::from_static("/a/path?query")], Some(host))
    }
}

impl<T: From<Bytes>> Template<T> {
    pub(crate) fn of_a_client(addresses: &[SocketAddr], method: &Method) -> Self {
        let uri = |address| format!("http://{address}/a/path?query").parse().expect("a URI");
        Self::new(method, addresses.iter().map(uri).collect(), None)
    }

    fn new(method: &Method, uris: Vec<Uri>, host: Option<HeaderValue>) -> Self {
        let body = match *method {
            Method::POST => Bytes::from_static(&[b'x'; 64 * 1024]),
            _ => Bytes::new(),
        };
        Self { method: method.clone(), uris, host, body, of_body: PhantomData }
    }

    pub(crate) fn request(&self, turn: u64) -> Request<T> {
        let mut request = Request::new(T::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uris[turn as usize % self.uris.len()].clone();
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, HeaderValue::from_static("bench/1.0"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(host) = &self.host {
            headers.insert(header::HOST, host.clone());
        }
        request
    }
}

impl<T> Clone for Template<T> {
    fn clone(&self) -> Self {
        Self {
            method: self.method.clone(),
            uris: self.uris.clone(),
            host: self.host.clone(),
            body: self.body.clone(),
            of_body: PhantomData,
        }
    }
}
