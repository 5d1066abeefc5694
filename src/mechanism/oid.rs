//! Object identifiers of mechanisms, as DER content octets.

use std::fmt::Write;

/// SPNEGO, 1.3.6.1.5.5.2 (RFC 4178, section 3.1).
pub(crate) const SPNEGO: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];
/// Kerberos, 1.2.840.113554.1.2.2 (RFC 4121).
pub(crate) const KERBEROS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];
/// Kerberos as Windows 2000 wrote it, 1.2.840.48018.1.2.2 (RFC 4178, appendix C).
pub(crate) const MS_KERBEROS: &[u8] = &[0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 0x01, 0x02, 0x02];
/// IAKERB, 1.3.6.1.5.2.5 (draft-ietf-kitten-iakerb-03, section 2).
pub(crate) const IAKERB: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x02, 0x05];
/// NTLM, 1.3.6.1.4.1.311.2.2.10 (MS-NLMP, section 1.9).
pub(crate) const NTLM: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a];

/// Whether two identifiers name one mechanism. The two of Kerberos do: Windows and Samba answer
/// with the old one (MS-SPNG, section 3.2.5).
pub(crate) fn same_mechanism(one: &[u8], other: &[u8]) -> bool {
    let canonical = |oid| if oid == MS_KERBEROS { KERBEROS } else { oid };
    canonical(one) == canonical(other)
}

/// The dotted form for an error message. It may come from an attacker, so it stays short.
pub(crate) fn dotted(oid: &[u8]) -> String {
    let mut arcs = Vec::new();
    let mut arc: u64 = 0;
    for octet in oid {
        if oid.len() > 32 || arc > u64::MAX >> 7 {
            return format!("an object identifier of {} octets", oid.len());
        }
        arc = arc << 7 | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            arcs.push(std::mem::take(&mut arc));
        }
    }
    let Some((head, tail)) = arcs.split_first() else {
        return "an empty object identifier".to_owned();
    };
    // The first two arcs share one number (X.690, section 8.19.4).
    let root = (head / 40).min(2);
    let mut text = format!("{root}.{}", head - root * 40);
    for arc in tail {
        let _ = write!(text, ".{arc}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_read_as_their_specifications_print_them() {
        assert_eq!(dotted(SPNEGO), "1.3.6.1.5.5.2");
        assert_eq!(dotted(KERBEROS), "1.2.840.113554.1.2.2");
        assert_eq!(dotted(MS_KERBEROS), "1.2.840.48018.1.2.2");
        assert_eq!(dotted(IAKERB), "1.3.6.1.5.2.5");
        assert_eq!(dotted(NTLM), "1.3.6.1.4.1.311.2.2.10");
        assert_eq!(dotted(&[0x88, 0x37, 0x03]), "2.999.3");
        assert_eq!(dotted(&[]), "an empty object identifier");
        assert_eq!(dotted(&[0x80; 11]), "an empty object identifier");
        assert_eq!(dotted(&[0xff; 11]), "an object identifier of 11 octets");
        assert_eq!(dotted(&[1; 60_000]), "an object identifier of 60000 octets");
    }

    #[test]
    fn both_identifiers_of_kerberos_name_one_mechanism() {
        assert!(same_mechanism(KERBEROS, MS_KERBEROS));
        assert!(same_mechanism(MS_KERBEROS, KERBEROS));
        assert!(!same_mechanism(KERBEROS, NTLM));
    }
}
