use std::fmt;

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::der::{self, Malformed, Reader};

/// BIT STRING.
const BIT_STRING: u8 = 0x03;

/// Why a certificate gives no channel bindings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateError(CertificateFault);

#[derive(Clone, Debug, PartialEq, Eq)]
enum CertificateFault {
    /// It is not a certificate.
    Malformed(Malformed),
    /// Which hash function its signature has is not defined, or not known here.
    Signature(Vec<u8>),
    /// RSASSA-PSS with one hash function for the message and another for the mask.
    SeveralHashes,
}

/// The hash of a certificate for `tls-server-end-point` (RFC 5929, section 4.1).
pub(super) fn hash(certificate: &[u8]) -> Result<Vec<u8>, CertificateError> {
    Ok(match Signature::of(certificate)?.hash()? {
        CertificateHash::Sha224 => Sha224::digest(certificate).to_vec(),
        CertificateHash::Sha256 => Sha256::digest(certificate).to_vec(),
        CertificateHash::Sha384 => Sha384::digest(certificate).to_vec(),
        CertificateHash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

/// The hash functions that certificates are hashed with.
#[derive(Clone, Copy)]
enum CertificateHash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// `signatureAlgorithm`, an AlgorithmIdentifier.
///
/// ```asn1
/// Certificate ::= SEQUENCE {
///     tbsCertificate      TBSCertificate,
///     signatureAlgorithm  AlgorithmIdentifier,
///     signature           BIT STRING }
///
/// AlgorithmIdentifier ::= SEQUENCE {
///     algorithm   OBJECT IDENTIFIER,
///     parameters  ANY DEFINED BY algorithm OPTIONAL }
/// ```
struct Signature<'a> {
    algorithm: &'a [u8],
    parameters: Reader<'a>,
}

impl<'a> Signature<'a> {
    /// Whoever issued the certificate signed it; only the frame of what is signed is looked at.
    fn of(certificate: &'a [u8]) -> Result<Self, Malformed> {
        let mut outer = Reader::new(certificate)?;
        let mut fields = outer.within(der::SEQUENCE)?;
        outer.finish()?;
        fields.value(der::SEQUENCE)?;
        let signature = Self::identifier(&mut fields)?;
        fields.value(BIT_STRING)?;
        fields.finish()?;
        Ok(signature)
    }

    /// The next value, an AlgorithmIdentifier.
    fn identifier(fields: &mut Reader<'a>) -> Result<Self, Malformed> {
        let mut identifier = fields.within(der::SEQUENCE)?;
        let algorithm = identifier.value(der::OBJECT_IDENTIFIER)?;
        Ok(Self { algorithm, parameters: identifier })
    }

    fn hash(self) -> Result<CertificateHash, CertificateError> {
        if self.algorithm == RSASSA_PSS {
            return pss_hash(self.parameters);
        }
        let known = SIGNATURES.iter().find(|(algorithm, _)| *algorithm == self.algorithm);
        known.map(|(_, hash)| *hash).ok_or_else(|| CertificateError::signature(self.algorithm))
    }
}

/// The hash function of RSASSA-PSS, the same for the message and in its mask: with two, bindings
/// are not defined.
///
/// ```asn1
/// RSASSA-PSS-params ::= SEQUENCE {                    -- RFC 4055, section 3.1
///     hashAlgorithm     [0] AlgorithmIdentifier DEFAULT sha1,
///     maskGenAlgorithm  [1] AlgorithmIdentifier DEFAULT mgf1SHA1,
///     saltLength        [2] INTEGER DEFAULT 20,
///     trailerField      [3] INTEGER DEFAULT 1 }
/// ```
fn pss_hash(mut parameters: Reader<'_>) -> Result<CertificateHash, CertificateError> {
    let mut fields = parameters.within(der::SEQUENCE)?;
    let message = match fields.optional(der::context(0))? {
        Some(mut hash) => Signature::identifier(&mut hash)?.algorithm,
        None => SHA_1,
    };
    let mask = match fields.optional(der::context(1))? {
        Some(mut mask) => {
            let mut mask = Signature::identifier(&mut mask)?;
            if mask.algorithm != MGF1 {
                return Err(CertificateError::signature(mask.algorithm));
            }
            Signature::identifier(&mut mask.parameters)?.algorithm
        }
        None => SHA_1,
    };
    if message != mask {
        return Err(CertificateError(CertificateFault::SeveralHashes));
    }
    let known = HASHES.iter().find(|(algorithm, _)| *algorithm == message);
    known.map(|(_, hash)| *hash).ok_or_else(|| CertificateError::signature(message))
}

/// 1.2.840.113549.1.1.10
const RSASSA_PSS: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";
/// 1.2.840.113549.1.1.8
const MGF1: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08";
/// 1.3.14.3.2.26
const SHA_1: &[u8] = b"\x2b\x0e\x03\x02\x1a";

/// Signature algorithms by their object identifiers, and what certificates signed so are hashed
/// with: SHA-256 in place of MD5 and SHA-1, else the signature's own hash function.
///
/// EdDSA has none that is its own, so that RFC 5929 leaves its bindings undefined. Whoever has some
/// all the same takes SHA-256: servers on pyca's `cryptography`, and some on OpenSSL, which fall back
/// to it. PostgreSQL, .NET and Chromium have none, and a server without bindings does not mind the
/// client's. SHA-512, which Ed25519 uses inside, is what tokio-postgres-rustls took for a while, in
/// vain.
#[rustfmt::skip]
const SIGNATURES: &[(&[u8], CertificateHash)] = &[
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", CertificateHash::Sha256), // md5WithRSAEncryption
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", CertificateHash::Sha256), // sha1WithRSAEncryption
    (b"\x2b\x0e\x03\x02\x1d", CertificateHash::Sha256), // the same by its older name, 1.3.14.3.2.29
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e", CertificateHash::Sha224), // sha224WithRSAEncryption
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", CertificateHash::Sha256), // sha256WithRSAEncryption
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", CertificateHash::Sha384), // sha384WithRSAEncryption
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", CertificateHash::Sha512), // sha512WithRSAEncryption
    (b"\x2a\x86\x48\xce\x3d\x04\x01", CertificateHash::Sha256), // ecdsa-with-SHA1
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x01", CertificateHash::Sha224), // ecdsa-with-SHA224
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x02", CertificateHash::Sha256), // ecdsa-with-SHA256
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x03", CertificateHash::Sha384), // ecdsa-with-SHA384
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x04", CertificateHash::Sha512), // ecdsa-with-SHA512
    (b"\x2a\x86\x48\xce\x38\x04\x03", CertificateHash::Sha256), // id-dsa-with-sha1
    (b"\x60\x86\x48\x01\x65\x03\x04\x03\x01", CertificateHash::Sha224), // id-dsa-with-sha224
    (b"\x60\x86\x48\x01\x65\x03\x04\x03\x02", CertificateHash::Sha256), // id-dsa-with-sha256
    (b"\x60\x86\x48\x01\x65\x03\x04\x03\x03", CertificateHash::Sha384), // id-dsa-with-sha384
    (b"\x60\x86\x48\x01\x65\x03\x04\x03\x04", CertificateHash::Sha512), // id-dsa-with-sha512
    (b"\x2b\x65\x70", CertificateHash::Sha256), // Ed25519
    (b"\x2b\x65\x71", CertificateHash::Sha256), // Ed448
];

/// The hash functions of RSASSA-PSS, and what certificates signed so are hashed with.
#[rustfmt::skip]
const HASHES: &[(&[u8], CertificateHash)] = &[
    (b"\x2a\x86\x48\x86\xf7\x0d\x02\x05", CertificateHash::Sha256), // id-md5
    (SHA_1, CertificateHash::Sha256),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x04", CertificateHash::Sha224), // id-sha224
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x01", CertificateHash::Sha256), // id-sha256
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x02", CertificateHash::Sha384), // id-sha384
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x03", CertificateHash::Sha512), // id-sha512
];

impl CertificateError {
    /// Keeps what is enough to recognise the algorithm by.
    fn signature(algorithm: &[u8]) -> Self {
        Self(CertificateFault::Signature(algorithm[..algorithm.len().min(32)].to_vec()))
    }
}

impl From<Malformed> for CertificateError {
    fn from(malformed: Malformed) -> Self {
        Self(CertificateFault::Malformed(malformed))
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            CertificateFault::Malformed(malformed) => write!(f, "not a certificate: {malformed}"),
            CertificateFault::Signature(algorithm) => {
                write!(f, "no hash function is known for a signature with {}", dotted(algorithm))
            }
            CertificateFault::SeveralHashes => {
                f.write_str("the signature has one hash function and its mask another")
            }
        }
    }
}

impl std::error::Error for CertificateError {}

/// An object identifier in numbers with dots between them (X.690, section 8.19).
fn dotted(octets: &[u8]) -> String {
    let (mut arcs, mut arc) = (Vec::new(), 0_u64);
    for octet in octets {
        arc = arc << 7 | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            if arcs.is_empty() {
                // The first two numbers are in one; the first is at most 2.
                let root = (arc / 40).min(2);
                arcs.push(root.to_string());
                arc -= root * 40;
            }
            arcs.push(arc.to_string());
            arc = 0;
        }
    }
    arcs.join(".")
}
