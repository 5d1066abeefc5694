//! Bits of KerberosFlags, of which bit 0 is the highest of 32 (RFC 4120, section 5.2.8).

/// The bit with this number.
const fn bit(number: u32) -> u32 {
    1 << (31 - number)
}

/// KDCOptions: what a client asks of a ticket (RFC 4120, section 5.4.1).
#[allow(dead_code, reason = "the table is whole")]
pub(crate) mod kdc_options {
    use super::bit;

    pub(crate) const FORWARDABLE: u32 = bit(1);
    pub(crate) const RENEWABLE: u32 = bit(8);
    /// Other names and realms than those asked for may come back (RFC 6806, section 6).
    pub(crate) const CANONICALIZE: u32 = bit(15);
    pub(crate) const RENEWABLE_OK: u32 = bit(27);
    pub(crate) const RENEW: u32 = bit(30);
}

/// TicketFlags: what a ticket is (RFC 4120, section 5.3).
#[allow(dead_code, reason = "the table is whole")]
pub(crate) mod ticket_flags {
    use super::bit;

    pub(crate) const FORWARDABLE: u32 = bit(1);
    pub(crate) const RENEWABLE: u32 = bit(8);
    pub(crate) const INITIAL: u32 = bit(9);
    pub(crate) const PRE_AUTHENT: u32 = bit(10);
    pub(crate) const OK_AS_DELEGATE: u32 = bit(13);
    /// The reply holds encrypted-pa-data (RFC 6806, section 11).
    pub(crate) const ENC_PA_REP: u32 = bit(15);
}

/// APOptions: what a client asks of a server (RFC 4120, section 5.5.1).
pub(crate) mod ap_options {
    use super::bit;

    pub(crate) const MUTUAL_REQUIRED: u32 = bit(2);
}
