use hyper_util::client::legacy::connect::HttpConnector;

/// hyper-util's connector without Nagle's delay, which costs a handshake 40 ms a leg.
pub(in crate::client) fn http_connector(http_alone: bool) -> HttpConnector {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(http_alone);
    http
}
