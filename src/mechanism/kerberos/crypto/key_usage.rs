//! What a key is used for: each use derives keys of its own (RFC 4120, section 7.5.1; RFC 4121, section 2).

/// A key usage number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyUsage(u32);

impl KeyUsage {
    /// PA-ENC-TIMESTAMP, by the client's key.
    pub(crate) const PA_ENC_TIMESTAMP: Self = Self(1);
    /// The part of a ticket that only its service reads, by the service's key.
    pub(crate) const TICKET: Self = Self(2);
    /// The encrypted part of an AS-REP, by the client's key.
    pub(crate) const AS_REP: Self = Self(3);
    /// The checksum over the body of a TGS-REQ, by the TGT's session key.
    pub(crate) const TGS_REQ_CHECKSUM: Self = Self(6);
    /// The Authenticator in a TGS-REQ, by the TGT's session key.
    pub(crate) const TGS_REQ_AUTHENTICATOR: Self = Self(7);
    /// The encrypted part of a TGS-REP, by the TGT's session key.
    pub(crate) const TGS_REP: Self = Self(8);
    /// The same by the subkey of the request's Authenticator.
    pub(crate) const TGS_REP_SUBKEY: Self = Self(9);
    /// The Authenticator in an AP-REQ, by the ticket's session key.
    pub(crate) const AP_REQ_AUTHENTICATOR: Self = Self(11);
    /// The encrypted part of an AP-REP, by the ticket's session key.
    pub(crate) const AP_REP: Self = Self(12);
    /// A MIC token of the acceptor (RFC 4121, section 2).
    pub(crate) const ACCEPTOR_SIGN: Self = Self(23);
    /// A MIC token of the initiator.
    pub(crate) const INITIATOR_SIGN: Self = Self(25);
    /// IAKERB's KRB-FINISHED, by the Authenticator's subkey (draft-ietf-kitten-iakerb-03).
    pub(crate) const FINISHED: Self = Self(41);
    /// The AS-REQ's checksum in the encrypted part of its reply (RFC 6806, section 11).
    pub(crate) const AS_REQ_CHECKSUM: Self = Self(56);

    /// What is derived for it: its number, and an octet for the kind of key (RFC 3961, section 5.3).
    pub(super) fn constant(self, kind: u8) -> [u8; 5] {
        let [a, b, c, d] = self.0.to_be_bytes();
        [a, b, c, d, kind]
    }

    #[cfg(test)]
    pub(super) fn numbered(number: u32) -> Self {
        Self(number)
    }
}
