//! RC4, which NTLM encrypts session keys and checksums with (RC4INIT, RC4 and RC4K of MS-NLMP 6;
//! the tests' vectors are those of RFC 6229). Broken as a cipher for data; used for none.

use zeroize::{Zeroize, Zeroizing};

/// The state of a key stream.
pub(crate) struct Rc4 {
    state: Zeroizing<[u8; 256]>,
    i: u8,
    j: u8,
}

impl Rc4 {
    /// Begins the key stream of a 128-bit key.
    pub(crate) fn new(key: &[u8; 16]) -> Self {
        let mut state = Zeroizing::new(std::array::from_fn::<_, 256, _>(|place| place as u8));
        let mut j = 0_u8;
        for i in 0..state.len() {
            j = j.wrapping_add(state[i]).wrapping_add(key[i % key.len()]);
            state.swap(i, usize::from(j));
        }
        j.zeroize();
        Self { state, i: 0, j: 0 }
    }

    /// Encrypts or decrypts, and moves on in the key stream.
    pub(crate) fn apply(&mut self, octets: &mut [u8]) {
        for octet in octets {
            self.i = self.i.wrapping_add(1);
            let (i, a) = (usize::from(self.i), self.state[usize::from(self.i)]);
            self.j = self.j.wrapping_add(a);
            self.state.swap(i, usize::from(self.j));
            let b = self.state[i];
            *octet ^= self.state[usize::from(a.wrapping_add(b))];
        }
    }
}

impl Drop for Rc4 {
    fn drop(&mut self) {
        self.i.zeroize();
        self.j.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mechanism::ntlm::vectors::Vectors;

    #[test]
    fn gives_the_key_streams_of_rfc_6229_at_each_offset() {
        let vectors = Vectors::read(include_str!("../../../tests/vectors/rfc6229-rc4.txt"));
        for key in ["counting", "hash"] {
            let mut cipher = Rc4::new(&vectors.array(&format!("{key}.key")));
            let mut stream = vec![0; 4128];
            cipher.apply(&mut stream);
            for offset in [0, 16, 240, 4096] {
                let expected = vectors.octets(&format!("{key}.{offset}"));
                assert_eq!(stream[offset..offset + 16], expected, "{key} at {offset}");
            }
        }
    }

    #[test]
    fn goes_on_where_it_stopped() {
        let (mut whole, mut parts) = ([0; 48], [0; 48]);
        Rc4::new(&[3; 16]).apply(&mut whole);
        let mut cipher = Rc4::new(&[3; 16]);
        parts.chunks_mut(5).for_each(|part| cipher.apply(part));
        assert_eq!(whole, parts);
    }
}
