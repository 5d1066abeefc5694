//! The negotiate flags (MS-NLMP 2.2.2.5), by the specification's names.

/// A: strings are UTF-16LE.
pub(crate) const NEGOTIATE_UNICODE: u32 = 0x0000_0001;
/// C: the server is to name itself.
pub(crate) const REQUEST_TARGET: u32 = 0x0000_0004;
/// D: session keys for message signatures.
pub(crate) const NEGOTIATE_SIGN: u32 = 0x0000_0010;
/// H: the NTLM protocol, version 2 included.
pub(crate) const NEGOTIATE_NTLM: u32 = 0x0000_0200;
/// M: signatures on all messages; says nothing about the session key.
pub(crate) const NEGOTIATE_ALWAYS_SIGN: u32 = 0x0000_8000;
/// P: extended session security, the signatures of MS-NLMP 3.4.4.2.
pub(crate) const NEGOTIATE_EXTENDED_SESSION_SECURITY: u32 = 0x0008_0000;
/// S: the challenge has target information.
pub(crate) const NEGOTIATE_TARGET_INFO: u32 = 0x0080_0000;
/// T: the version field is filled in.
pub(crate) const NEGOTIATE_VERSION: u32 = 0x0200_0000;
/// U: 128-bit sealing keys.
pub(crate) const NEGOTIATE_128: u32 = 0x2000_0000;
/// V: the client chooses the session key and sends it encrypted.
pub(crate) const NEGOTIATE_KEY_EXCH: u32 = 0x4000_0000;
/// W: 56-bit sealing keys, which Windows always asks for beside 128.
pub(crate) const NEGOTIATE_56: u32 = 0x8000_0000;

/// What this client always asks for: as Windows does for NTLM in HTTP, without OEM strings, for which
/// there is no use. The sealing keys' lengths are in it although nothing is sealed, since a server's
/// policy may insist on 128 bits.
pub(crate) const REQUESTED: u32 = NEGOTIATE_UNICODE
    | REQUEST_TARGET
    | NEGOTIATE_NTLM
    | NEGOTIATE_ALWAYS_SIGN
    | NEGOTIATE_EXTENDED_SESSION_SECURITY
    | NEGOTIATE_VERSION
    | NEGOTIATE_128
    | NEGOTIATE_56;

/// What it asks for besides where messages are to be signed.
pub(crate) const REQUESTED_FOR_INTEGRITY: u32 = NEGOTIATE_SIGN | NEGOTIATE_KEY_EXCH;

/// Whether all of `wanted` are set.
pub(crate) fn has(flags: u32, wanted: u32) -> bool {
    flags & wanted == wanted
}
