//! Keys of the simplified profile (RFC 3961, section 5), as RFC 3962 has them for AES.

use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use zeroize::Zeroizing;

use crate::mechanism::kerberos::crypto::aes_cts::{AesCts, BLOCK};

/// `string-to-key` (RFC 3962, section 4): a key of `length` octets.
pub(super) fn string_to_key(
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    length: usize,
) -> Zeroizing<[u8; 32]> {
    let mut intermediate = Zeroizing::new([0; 32]);
    pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut intermediate[..length]);
    derive_key(&AesCts::new(&intermediate[..length]), b"kerberos", length)
}

/// `DK(base key, constant)` (section 5.1): the constant, folded to a block and encrypted as often as it takes. AES
/// takes any octets for a key, so `random-to-key` changes nothing.
pub(super) fn derive_key(base: &AesCts, constant: &[u8], length: usize) -> Zeroizing<[u8; 32]> {
    let mut block = Zeroizing::new(n_fold::<BLOCK>(constant));
    let mut key = Zeroizing::new([0; 32]);
    for part in key[..length].chunks_exact_mut(BLOCK) {
        base.encrypt(&mut *block);
        part.copy_from_slice(&*block);
    }
    key
}

/// `n-fold` (section 5.1): as many copies of the input as fill a whole number of outputs, each rotated to the
/// right by 13 bits more than the one before, and the outputs added up with the carry brought around.
pub(super) fn n_fold<const N: usize>(input: &[u8]) -> [u8; N] {
    let bits = 8 * input.len();
    let mut sums = [0_u32; N];
    for at in 0..least_common_multiple(input.len(), N) {
        let (copy, octet) = (at / input.len(), at % input.len());
        let bit = (8 * octet + bits - 13 * copy % bits) % bits;
        let pair = [input[bit / 8], input[(bit / 8 + 1) % input.len()]];
        sums[at % N] += u32::from(u16::from_be_bytes(pair) >> (8 - bit % 8) & 0xff);
    }
    let mut carry = 0;
    loop {
        for sum in sums.iter_mut().rev() {
            *sum += carry;
            carry = *sum >> 8;
            *sum &= 0xff;
        }
        if carry == 0 {
            return sums.map(|sum| sum as u8);
        }
    }
}

fn least_common_multiple(one: usize, other: usize) -> usize {
    let (mut divisor, mut rest) = (one, other);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    one / divisor * other
}
