use std::num::NonZeroU32;

use crate::mechanism::Entropy;
use crate::mechanism::kerberos::crypto::aes_cts::AesCts;
use crate::mechanism::kerberos::crypto::rfc3961::n_fold;
use crate::mechanism::kerberos::crypto::{DecryptError, EncryptionType, Key, KeyUsage, Random};
use crate::mechanism::ntlm::vectors::Vectors;

fn vectors() -> Vectors {
    Vectors::read(include_str!("../../../../tests/vectors/kerberos-crypto.txt"))
}

/// The sections of a kind, each with the encryption type that its name tells.
fn each(kind: &str, mut check: impl FnMut(&Vectors, &str, EncryptionType)) {
    let vectors = vectors();
    let mut count = 0;
    for section in vectors.sections() {
        let Some(rest) = section.strip_prefix(kind).and_then(|rest| rest.strip_prefix('-')) else { continue };
        let number = rest[..2].parse().expect("a number");
        check(&vectors, section, EncryptionType::from_number(number).expect("supported"));
        count += 1;
    }
    assert!(count > 0, "{kind}");
}

fn number(vectors: &Vectors, name: &str) -> u32 {
    u32::from_be_bytes(vectors.array(name))
}

#[test]
fn n_fold_is_that_of_rfc_3961() {
    let v = vectors();
    let sections: Vec<_> = v.sections().into_iter().filter(|name| name.starts_with("n-fold")).collect();
    assert_eq!(sections.len(), 11);
    for section in sections {
        let input = v.text(&format!("{section}.input")).as_bytes();
        let output = v.octets(&format!("{section}.output"));
        let folded = match output.len() {
            7 => n_fold::<7>(input).to_vec(),
            8 => n_fold::<8>(input).to_vec(),
            16 => n_fold::<16>(input).to_vec(),
            21 => n_fold::<21>(input).to_vec(),
            24 => n_fold::<24>(input).to_vec(),
            _ => n_fold::<32>(input).to_vec(),
        };
        assert_eq!(folded, output, "{section}");
    }
}

#[test]
fn ciphertext_is_stolen_as_in_rfc_3962() {
    let v = vectors();
    for section in ["cts-01", "cts-02", "cts-03", "cts-04", "cts-05", "cts-06"] {
        let aes = AesCts::new(&v.octets(&format!("{section}.key")));
        let plaintext = v.octets(&format!("{section}.plaintext"));
        let mut octets = plaintext.clone();
        aes.encrypt(&mut octets);
        assert_eq!(octets, v.octets(&format!("{section}.ciphertext")), "{section}");
        aes.decrypt(&mut octets);
        assert_eq!(octets, plaintext, "{section}");
    }
}

#[test]
fn passwords_become_the_published_keys() {
    each("password", |v, section, etype| {
        let password = String::from_utf8(v.octets(&format!("{section}.password"))).expect("UTF-8");
        let iterations = NonZeroU32::new(number(v, &format!("{section}.iterations"))).expect("some");
        let key = Key::from_password(etype, &password, &v.octets(&format!("{section}.salt")), iterations);
        assert_eq!(key.octets(), v.octets(&format!("{section}.key")), "{section}");
    });
}

#[test]
fn keys_of_a_usage_are_the_published_ones() {
    each("derive", |v, section, etype| {
        let key = Key::new(etype, &v.octets(&format!("{section}.key"))).expect("its length");
        let derived = key.derive(v.array(&format!("{section}.constant")));
        assert_eq!(derived, v.octets(&format!("{section}.derived")), "{section}");
    });
}

#[test]
fn published_messages_decrypt_and_are_made_again_with_their_confounders() {
    each("message", |v, section, etype| {
        let key = Key::new(etype, &v.octets(&format!("{section}.key"))).expect("its length");
        let keys = key.for_messages(KeyUsage::numbered(number(v, &format!("{section}.usage"))));
        let ciphertext = v.octets(&format!("{section}.ciphertext"));
        let plaintext = v.octets(&format!("{section}.plaintext"));
        assert_eq!(keys.decrypt(&ciphertext).as_deref(), Ok(&plaintext), "{section}");

        let confounder = keys.confounder_of(&ciphertext);
        assert_eq!(keys.encrypt(&confounder, &plaintext), ciphertext, "{section}");
    });
}

#[test]
fn checksums_are_the_published_ones() {
    each("checksum", |v, section, etype| {
        let key = Key::new(etype, &v.octets(&format!("{section}.key"))).expect("its length");
        let key = key.for_checksums(KeyUsage::numbered(number(v, &format!("{section}.usage"))));
        let message = v.octets(&format!("{section}.message"));
        let checksum = v.octets(&format!("{section}.checksum"));
        let (head, tail) = message.split_at(3);
        assert_eq!(key.checksum(&[head, tail]), checksum, "{section}");
        assert!(key.verify(&[&message], &checksum), "{section}");
        assert!(!key.verify(&[head], &checksum), "{section}");
        assert!(!key.verify(&[&message], &checksum[1..]), "{section}");
        assert!(!key.verify(&[&message], &checksum[..checksum.len() - 1]), "{section}");
        assert!(!key.verify(&[&message], &[]), "{section}");
    });
}

#[test]
fn nothing_decrypts_that_was_changed_cut_short_or_made_for_another_use() {
    for etype in EncryptionType::ALL {
        let key = Key::random(etype, Random::new(&Entropy::new([1; 32])).octets());
        let keys = key.for_messages(KeyUsage::TICKET);
        for length in [0, 1, 15, 16, 17, 31, 32, 33, 100] {
            let plaintext = vec![7; length];
            let ciphertext = keys.encrypt(&[9; 16], &plaintext);
            assert_eq!(ciphertext.len(), 16 + length + etype.checksum_length());
            assert_eq!(keys.decrypt(&ciphertext).as_deref(), Ok(&plaintext));
            for at in 0..ciphertext.len() {
                let mut changed = ciphertext.clone();
                changed[at] ^= 0x10;
                assert_eq!(keys.decrypt(&changed), Err(DecryptError::Integrity), "{etype} {length} {at}");
            }
            assert!(keys.decrypt(&ciphertext[..ciphertext.len() - 1]).is_err());
            let other = key.for_messages(KeyUsage::AS_REP);
            assert_eq!(other.decrypt(&ciphertext), Err(DecryptError::Integrity));
        }
        assert_eq!(keys.decrypt(&vec![0; 15 + etype.checksum_length()]), Err(DecryptError::TooShort));
        assert_eq!(keys.decrypt(&[]), Err(DecryptError::TooShort));
    }
}

#[test]
fn nothing_of_a_key_is_printed() {
    let key = Key::new(EncryptionType::Aes128Sha1, &[0xab; 16]).expect("16 octets");
    assert_eq!(format!("{key:?}"), "Key(aes128-cts-hmac-sha1-96, ..)");
    let keys = key.for_messages(KeyUsage::TICKET);
    assert_eq!(format!("{keys:?}"), "MessageKeys(aes128-cts-hmac-sha1-96, ..)");
    let key = key.for_checksums(KeyUsage::TICKET);
    assert_eq!(format!("{key:?}"), "ChecksumKey(aes128-cts-hmac-sha1-96, ..)");
    assert!(Key::new(EncryptionType::Aes128Sha1, &[0; 32]).is_none());
    assert_eq!(format!("{:?}", Random::new(&Entropy::new([1; 32]))), "Random(..)");
}

#[test]
fn randomness_never_repeats_and_its_numbers_stay_small() {
    let mut random = Random::new(&Entropy::new([1; 32]));
    let (one, other) = (random.octets::<16>(), random.octets::<16>());
    assert_ne!(one, other);
    assert_ne!(Random::new(&Entropy::new([2; 32])).octets::<16>(), one);
    assert!((0..100).all(|_| random.number() < 1 << 30));
}
