//! The server's nonce and the count of the requests that used it (RFC 7616, section 3.4).

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::Arc;

use crate::mechanism::Entropy;

/// A nonce of the client's own, for one request.
#[derive(Clone)]
pub struct ClientNonce(Arc<str>);

impl ClientNonce {
    /// 32 hexadecimal digits: the first 16 octets of the entropy.
    pub fn new(entropy: Entropy) -> Self {
        let octets = entropy.octets().iter().take(16);
        Self(octets.map(|octet| format!("{octet:02x}")).collect::<String>().into())
    }

    /// As the published examples have it.
    #[cfg(test)]
    pub(crate) fn verbatim(text: &str) -> Self {
        Self(text.into())
    }

    pub(super) fn text(&self) -> &Arc<str> {
        &self.0
    }
}

impl fmt::Debug for ClientNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientNonce(..)")
    }
}

/// What became of a nonce that a server sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "complete by definition: taken, too late, no news")]
pub enum Renewal {
    /// It is the one for requests from now on.
    Replaced,
    /// It came too late: the request that it answers had used an older nonce than the present one.
    Superseded,
    /// It is the present one already, whose count goes on.
    Unchanged,
}

/// The present nonce, and how often it was used.
pub(super) struct Nonces {
    nonce: Arc<[u8]>,
    count: u32,
    /// Nonces that were replaced, the latest last: a server may come back to one.
    retired: VecDeque<(Arc<[u8]>, u32)>,
}

impl Nonces {
    const MAX_RETIRED: usize = 8;

    pub(super) fn new(nonce: Arc<[u8]>) -> Self {
        Self { nonce, count: 0, retired: VecDeque::new() }
    }

    pub(super) fn present(&self) -> &Arc<[u8]> {
        &self.nonce
    }

    /// The last count.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The next count: 1, 2, 3, …; `None` when eight digits have no more.
    pub(super) fn issue(&mut self) -> Option<u32> {
        self.count = self.count.checked_add(1)?;
        Some(self.count)
    }

    /// Takes a nonce whose count begins at 1, or goes on if it is known.
    pub(super) fn renew(&mut self, nonce: &Arc<[u8]>) -> Renewal {
        if self.nonce == *nonce {
            return Renewal::Unchanged;
        }
        let known = self.retired.iter().position(|(retired, _)| retired == nonce);
        let count = known.and_then(|index| self.retired.remove(index)).map_or(0, |(_, count)| count);
        let retired =
            (mem::replace(&mut self.nonce, Arc::clone(nonce)), mem::replace(&mut self.count, count));
        if self.retired.len() == Self::MAX_RETIRED {
            self.retired.pop_front();
        }
        self.retired.push_back(retired);
        Renewal::Replaced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_begins_with_each_nonce_and_goes_on_where_it_comes_back() {
        let (a, b): (Arc<[u8]>, Arc<[u8]>) = (b"a".as_slice().into(), b"b".as_slice().into());
        let mut nonces = Nonces::new(a.clone());
        assert_eq!([nonces.issue(), nonces.issue()], [Some(1), Some(2)]);
        assert_eq!(nonces.renew(&a), Renewal::Unchanged);
        assert_eq!(nonces.issue(), Some(3));
        assert_eq!(nonces.renew(&b), Renewal::Replaced);
        assert_eq!(nonces.issue(), Some(1));
        assert_eq!(nonces.renew(&a), Renewal::Replaced);
        assert_eq!(nonces.issue(), Some(4));
        for i in 0..100_u8 {
            nonces.renew(&[i].as_slice().into());
        }
        assert_eq!(nonces.retired.len(), Nonces::MAX_RETIRED);
        nonces.count = u32::MAX;
        assert_eq!(nonces.issue(), None);
    }

    #[test]
    fn a_clients_nonce_is_hexadecimal() {
        let nonce = ClientNonce::new(Entropy::new([0xa5; 32]));
        assert_eq!(&**nonce.text(), "a5".repeat(16));
        assert_eq!(format!("{nonce:?}"), "ClientNonce(..)");
    }
}
