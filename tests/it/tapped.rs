//! Octets on their way, and what of them is a secret.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use legwork::Origin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

/// Octets on their way between client and server, which are kept.
pub(crate) struct Tapped {
    pub(crate) origin: Origin,
    octets: Arc<Mutex<Vec<u8>>>,
}

impl Tapped {
    pub(crate) async fn before(server: impl ToSocketAddrs + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let origin =
            format!("http://{}", listener.local_addr().expect("an address")).parse().expect("an origin");
        let octets = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&octets);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let peer = TcpStream::connect(&server).await.expect("a connection");
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), peer.into_split());
                tokio::spawn(relay(from_client, to_server, Arc::clone(&kept)));
                tokio::spawn(relay(from_server, to_client, Arc::clone(&kept)));
            }
        });
        Self { origin, octets }
    }

    /// All octets, of both sides.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.octets.lock().expect("no panic")).into_owned()
    }

    /// What is in the fields of logins and cookies and is long enough to be a secret.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let text = self.text();
        let fields = ["authorization: ", "www-authenticate: ", "authentication-info: ", "cookie: "];
        let lines = text.lines().filter(|line| {
            let line = line.to_ascii_lowercase();
            let line = line.strip_prefix("proxy-").unwrap_or(&line);
            fields.iter().any(|field| line.starts_with(field))
        });
        let parts = lines.flat_map(|line| line.split([' ', ',', '"', '=', ';'])).map(str::to_owned);
        parts.filter(|part| part.len() >= 14 && !part.contains(':')).collect()
    }
}

async fn relay(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, kept: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        kept.lock().expect("no panic").extend_from_slice(&buffer[..length]);
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}

/// The same octets as people write them.
pub(crate) fn spellings(secret: &[u8]) -> Vec<String> {
    let hex = secret.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    vec![
        BASE64_STANDARD.encode(secret),
        BASE64_STANDARD_NO_PAD.encode(secret),
        BASE64_URL_SAFE_NO_PAD.encode(secret),
        hex.to_ascii_uppercase(),
        hex,
        format!("{secret:?}"),
    ]
}
