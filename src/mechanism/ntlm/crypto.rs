//! The functions of NTLMv2 (MS-NLMP 3.3.2), which both sides compute.

use hmac::{Hmac, KeyInit, Mac};
use md4::{Digest, Md4};
use md5::Md5;
use zeroize::Zeroizing;

use crate::mechanism::ntlm::names::{uppercase, utf16};
use crate::mechanism::ntlm::rc4::Rc4;
use crate::stack::{self, Depth};

/// A key, wiped when it is dropped.
pub(crate) type Key = Zeroizing<[u8; 16]>;

/// What HMAC-MD5 makes of a key before it sees a message; wiped as well.
pub(crate) type KeyedHmac = Hmac<Md5>;

/// NTOWFv2: what the password is reduced to. The user counts in upper case, the domain as it is
/// written.
pub(crate) fn response_key(user: &str, domain: &str, password: &str) -> Key {
    stack::wiped(Depth::Hash, || {
        let nt_hash: Key = Zeroizing::new(Md4::digest(&*utf16(password)).into());
        hmac_md5(&nt_hash, &[&utf16(&uppercase(user)), &utf16(domain)])
    })
}

/// NTLMv2_CLIENT_CHALLENGE (2.2.2.7), `temp` in 3.3.2. `push_av_pairs` appends as many octets as `room`, or fewer: pairs with
/// their end, or nothing. Then the four reserved octets read as one.
pub(crate) fn client_challenge(
    time: [u8; 8],
    challenge: [u8; 8],
    room: usize,
    push_av_pairs: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    let mut octets = Vec::with_capacity(32 + room);
    octets.extend_from_slice(&[1, 1, 0, 0, 0, 0, 0, 0]);
    octets.extend_from_slice(&time);
    octets.extend_from_slice(&challenge);
    octets.extend_from_slice(&[0; 4]);
    push_av_pairs(&mut octets);
    octets.extend_from_slice(&[0; 4]);
    octets
}

/// NTProofStr: the first 16 octets of the NT response, computed over the rest of it.
pub(crate) fn nt_proof(
    response_key: &KeyedHmac,
    server_challenge: [u8; 8],
    client_challenge: &[u8],
) -> [u8; 16] {
    *again(response_key, &[&server_challenge, client_challenge])
}

/// The LMv2 response, for servers that send no time.
pub(crate) fn lm_response(
    response_key: &KeyedHmac,
    server_challenge: [u8; 8],
    challenge: [u8; 8],
) -> [u8; 24] {
    let proof = again(response_key, &[&server_challenge, &challenge]);
    let mut response = [0; 24];
    response[..16].copy_from_slice(&*proof);
    response[16..].copy_from_slice(&challenge);
    response
}

/// SessionBaseKey, which with NTLMv2 is the KeyExchangeKey as well (3.4.5.1).
pub(crate) fn session_base_key(response_key: &KeyedHmac, nt_proof: &[u8; 16]) -> Key {
    again(response_key, &[nt_proof])
}

/// RC4K: encrypts the exported session key for the message, or decrypts it.
pub(crate) fn exchange_key(key_exchange_key: &Key, session_key: &[u8; 16]) -> Key {
    let mut exchanged = Zeroizing::new(*session_key);
    Rc4::new(key_exchange_key).apply(&mut *exchanged);
    exchanged
}

/// The MIC over the three messages (3.1.5.1.2); in the last one its own octets are zero.
pub(crate) fn message_integrity_code(exported_session_key: &Key, messages: [&[u8]; 3]) -> [u8; 16] {
    *hmac_md5(exported_session_key, &messages)
}

/// HMAC-MD5 over the concatenation of the parts.
pub(crate) fn hmac_md5(key: &[u8; 16], parts: &[&[u8]]) -> Key {
    stack::wiped(Depth::Hash, || finish(keyed(key), parts))
}

/// The same by a key that stays. What is copied of it is wiped before anything else is moved over the stack: a value's unused
/// part takes along what was there.
fn again(key: &KeyedHmac, parts: &[&[u8]]) -> Key {
    stack::wiped(Depth::Hash, || finish(key.clone(), parts))
}

/// HMAC-MD5 by a key that several messages are to be authenticated with.
pub(crate) fn keyed(key: &[u8; 16]) -> KeyedHmac {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn finish(mut mac: KeyedHmac, parts: &[&[u8]]) -> Key {
    parts.iter().for_each(|part| mac.update(part));
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// Compares without telling by its time where the two differ.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
