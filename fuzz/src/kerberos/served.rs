//! Any octets where the embedded server expects a client's, and a KDC a request: whatever comes is answered.

use legwork::testing::{Acceptor, Kdc, KerberosService};
use legwork::unversioned::testing::SpnegoAcceptor;

thread_local! {
    static SERVICE: KerberosService = {
        let kdc = Kdc::builder("LAB.TEST").user("alice", "alice-pw").service("HTTP/www.lab.test");
        kdc.build().service("HTTP/www.lab.test")
    };
}

/// As a token with SPNEGO and without, and as what IAKERB carries to the KDC.
pub(super) fn serve(input: &[u8]) {
    SERVICE.with(|service| {
        let _ = SpnegoAcceptor::kerberos(service).with_iakerb(service).step(input);
        let _ = service.kerberos().step(input);
        let _ = service.iakerb().step(input);
        let _ = service.iakerb().step(&carried(input));
    });
}

/// IAKERB's frame with a header for LAB.TEST.
fn carried(message: &[u8]) -> Vec<u8> {
    let header = b"\x06\x06\x2b\x06\x01\x05\x02\x05\x05\x01\x30\x0c\xa1\x0a\x0c\x08LAB.TEST";
    let length = u32::try_from(header.len() + message.len()).unwrap_or(u32::MAX).to_be_bytes();
    let significant = &length[length.iter().position(|octet| *octet != 0).unwrap_or(3)..];
    let mut token = vec![0x60];
    if significant.len() > 1 || significant[0] > 0x7f {
        token.push(0x80 | significant.len() as u8);
    }
    token.extend_from_slice(significant);
    token.extend_from_slice(header);
    token.extend_from_slice(message);
    token
}
