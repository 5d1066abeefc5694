use super::*;
use crate::der;

/// The certificates that `tests/vectors/certificates/make` made, one of each kind.
const CERTIFICATES: [(&str, &[u8]); 7] = [
    ("ecdsa-sha256", include_bytes!("../../tests/vectors/certificates/ecdsa-sha256.der")),
    ("ed25519", include_bytes!("../../tests/vectors/certificates/ed25519.der")),
    ("rsa-pss-sha384", include_bytes!("../../tests/vectors/certificates/rsa-pss-sha384.der")),
    ("rsa-sha1", include_bytes!("../../tests/vectors/certificates/rsa-sha1.der")),
    ("rsa-sha256", include_bytes!("../../tests/vectors/certificates/rsa-sha256.der")),
    ("rsa-sha384", include_bytes!("../../tests/vectors/certificates/rsa-sha384.der")),
    ("rsa-sha512", include_bytes!("../../tests/vectors/certificates/rsa-sha512.der")),
];

/// A certificate of nothing but this AlgorithmIdentifier's contents, and its frame.
fn signed_by(algorithm: &[&[u8]]) -> Vec<u8> {
    let identifier = der::encode(der::SEQUENCE, algorithm);
    der::encode(der::SEQUENCE, &[&der::encode(der::SEQUENCE, &[]), &identifier, &[0x03, 0x01, 0x00]])
}

fn oid(numbers: &str) -> Vec<u8> {
    let mut numbers = numbers.split('.').map(|number| number.parse().expect("a number"));
    let (first, second): (u32, u32) = (numbers.next().expect("two"), numbers.next().expect("two"));
    let mut octets = vec![u8::try_from(first * 40 + second).expect("one octet")];
    for number in numbers {
        let groups = (0..5).rev().map(|group| (number >> (7 * group) & 0x7f) as u8);
        let mut groups: Vec<u8> = groups.skip_while(|group| *group == 0).collect();
        groups.splice(..0, (number == 0).then_some(0));
        let last = groups.pop().expect("a group at least");
        octets.extend(groups.iter().map(|group| group | 0x80));
        octets.push(last);
    }
    der::encode(der::OBJECT_IDENTIFIER, &[&octets])
}

/// The length of the hash, in bits: it tells the hash functions apart.
fn bits(certificate: &[u8]) -> Result<usize, String> {
    let bindings = ChannelBindings::from_certificate(certificate).map_err(|error| error.to_string())?;
    let hash = bindings.application_data().strip_prefix(b"tls-server-end-point:").expect("the prefix");
    Ok(hash.len() * 8)
}

#[test]
fn hashes_certificates_as_openssl_does() {
    let digests = include_str!("../../tests/vectors/certificates/digests.txt");
    assert_eq!(digests.lines().count(), CERTIFICATES.len());
    for (name, certificate) in CERTIFICATES {
        let line = digests.lines().find(|line| line.ends_with(&format!(" *{name}.der"))).expect(name);
        let bindings = ChannelBindings::from_certificate(certificate).expect(name);
        let hash = bindings.application_data().strip_prefix(b"tls-server-end-point:").expect("the prefix");
        let digits: String = hash.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(line.split_once(' ').map(|(digits, _)| digits), Some(&*digits), "{name}");
    }
}

#[test]
fn takes_the_hash_of_the_signature_and_sha_256_for_the_old_ones() {
    for (algorithm, expected) in [
        ("1.2.840.113549.1.1.4", 256),
        ("1.2.840.113549.1.1.5", 256),
        ("1.3.14.3.2.29", 256),
        ("1.2.840.113549.1.1.14", 224),
        ("1.2.840.113549.1.1.11", 256),
        ("1.2.840.113549.1.1.12", 384),
        ("1.2.840.113549.1.1.13", 512),
        ("1.2.840.10045.4.1", 256),
        ("1.2.840.10045.4.3.1", 224),
        ("1.2.840.10045.4.3.2", 256),
        ("1.2.840.10045.4.3.3", 384),
        ("1.2.840.10045.4.3.4", 512),
        ("1.2.840.10040.4.3", 256),
        ("2.16.840.1.101.3.4.3.1", 224),
        ("2.16.840.1.101.3.4.3.2", 256),
        ("2.16.840.1.101.3.4.3.3", 384),
        ("2.16.840.1.101.3.4.3.4", 512),
        ("1.3.101.112", 256),
        ("1.3.101.113", 256),
    ] {
        let algorithm_alone = signed_by(&[&oid(algorithm)]);
        assert_eq!(bits(&algorithm_alone), Ok(expected), "{algorithm}");
        let with_null = signed_by(&[&oid(algorithm), &[0x05, 0x00]]);
        assert_eq!(bits(&with_null), Ok(expected), "{algorithm}");
    }
}

#[test]
fn finds_the_hash_of_pss_in_its_parameters() {
    let hash = |algorithm| der::encode(der::SEQUENCE, &[&oid(algorithm), &[0x05, 0x00]]);
    let mask = |algorithm| der::encode(der::SEQUENCE, &[&oid("1.2.840.113549.1.1.8"), &hash(algorithm)]);
    let field = |number, value: &[u8]| der::encode(der::context(number), &[value]);
    let pss = |fields: &[&[u8]]| {
        bits(&signed_by(&[&oid("1.2.840.113549.1.1.10"), &der::encode(der::SEQUENCE, fields)]))
    };
    for (algorithm, expected) in [
        ("1.2.840.113549.2.5", 256),
        ("1.3.14.3.2.26", 256),
        ("2.16.840.1.101.3.4.2.4", 224),
        ("2.16.840.1.101.3.4.2.1", 256),
        ("2.16.840.1.101.3.4.2.2", 384),
        ("2.16.840.1.101.3.4.2.3", 512),
    ] {
        let salt = field(2, &[0x02, 0x01, 0x20]);
        let fields = [&*field(0, &hash(algorithm)), &field(1, &mask(algorithm)), &salt];
        assert_eq!(pss(&fields), Ok(expected), "{algorithm}");
    }
    assert_eq!(pss(&[]), Ok(256), "SHA-1 by default");
    assert_eq!(pss(&[&field(0, &hash("1.3.14.3.2.26"))]), Ok(256), "SHA-1 in the mask by default");

    let sha_256 = field(0, &hash("2.16.840.1.101.3.4.2.1"));
    let several = Err("the signature has one hash function and its mask another".to_owned());
    assert_eq!(pss(&[&sha_256]), several);
    assert_eq!(pss(&[&sha_256, &field(1, &mask("2.16.840.1.101.3.4.2.3"))]), several);
    let unknown = |what: &str| Err(format!("no hash function is known for a signature with {what}"));
    let sha_3 = "2.16.840.1.101.3.4.2.8";
    assert_eq!(pss(&[&field(0, &hash(sha_3)), &field(1, &mask(sha_3))]), unknown(sha_3));
    assert_eq!(pss(&[&field(1, &hash("2.16.840.1.101.3.4.2.12"))]), unknown("2.16.840.1.101.3.4.2.12"));

    let bare = signed_by(&[&oid("1.2.840.113549.1.1.10")]);
    assert_eq!(bits(&bare), Err(format!("not a certificate: a missing value at octet {}", bare.len() - 3)));
}

#[test]
fn names_the_signature_that_it_has_no_hash_for() {
    for algorithm in ["2.16.840.1.101.3.4.3.14", "2.16.840.1.101.3.4.3.18", "1.2.840.113549.1.1.2", "0.9"] {
        let error = ChannelBindings::from_certificate(&signed_by(&[&oid(algorithm)])).expect_err(algorithm);
        assert_eq!(error.to_string(), format!("no hash function is known for a signature with {algorithm}"));
    }
    // As long as whoever made it liked.
    let long = der::encode(der::OBJECT_IDENTIFIER, &[&[0xff; 60_000]]);
    let error = ChannelBindings::from_certificate(&signed_by(&[&long])).expect_err("too long");
    assert!(error.to_string().len() < 100, "{error}");
}

#[test]
fn says_where_something_is_no_certificate() {
    let good = signed_by(&[&oid("1.3.101.112")]);
    let trailing = [good.as_slice(), &[0]].concat();
    for (octets, complaint) in [
        (&[][..], "a missing value at octet 0"),
        (b"-----BEGIN CERTIFICATE-----", "an unexpected tag at octet 0"),
        (&good[..good.len() - 1], "a value longer than what holds it at octet 2"),
        (&trailing, "trailing octets at octet 14"),
        (&[0x30, 0x02, 0x30, 0x00], "a missing value at octet 4"),
        (&[0x30, 0x04, 0x30, 0x00, 0x30, 0x00], "a missing value at octet 6"),
        (&vec![0x30; 70_000], "more than 64 KiB at octet 65536"),
    ] {
        let error = ChannelBindings::from_certificate(octets).expect_err(complaint);
        assert_eq!(error.to_string(), format!("not a certificate: {complaint}"));
    }
}

#[test]
fn no_cut_and_no_damage_makes_it_panic() {
    for (name, certificate) in CERTIFICATES {
        for end in 0..certificate.len() {
            ChannelBindings::from_certificate(&certificate[..end]).expect_err(name);
        }
        let mut damaged = certificate.to_vec();
        for at in 0..certificate.len() {
            for damage in [0x01, 0x80, 0xff] {
                damaged[at] ^= damage;
                let _ = ChannelBindings::from_certificate(&damaged);
                damaged[at] ^= damage;
            }
        }
    }
}

#[test]
fn debug_shows_how_long_the_bindings_are_and_not_what() {
    let bindings = ChannelBindings::from_application_data(b"tls-unique:".as_slice());
    assert_eq!(format!("{bindings:?}"), "ChannelBindings(11 octets)");
}
