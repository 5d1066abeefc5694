//! The form in which NTLM and Kerberos send channel bindings.

use md5::{Digest, Md5};

use crate::channel_bindings::ChannelBindings;

/// MD5 of the `gss_channel_bindings_struct` (RFC 4121, section 4.1.1.2; MS-NLMP 3.1.5.1.2): initiator
/// address type and length, the acceptor's, all zero; then length and octets of the application
/// data. Numbers are little-endian, 32 bit.
pub(crate) fn channel_bindings_hash(bindings: &ChannelBindings) -> [u8; 16] {
    let data = bindings.application_data();
    let length = u32::try_from(data.len()).expect("application data is a hash with a prefix");
    let mut hash = Md5::new();
    hash.update([0; 16]);
    hash.update(length.to_le_bytes());
    hash.update(data);
    hash.finalize().into()
}
