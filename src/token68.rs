//! The base64 of tokens, as RFC 4559 and NTLM use it.
//!
//! Tickets are some kilobytes long, and octet by octet their base64 takes more instructions than their cryptography. So
//! it is made by the processor's vector instructions, where it has them.

use std::sync::LazyLock;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use base64::engine::GeneralPurpose;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use base64::engine::Simd;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

/// With padding; senders that leave it out are understood.
const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) static BASE64: LazyLock<Simd> = LazyLock::new(|| Simd::standard(CONFIG));

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) static BASE64: LazyLock<GeneralPurpose> =
    LazyLock::new(|| GeneralPurpose::new(&base64::alphabet::STANDARD, CONFIG));
