/// How names and passwords are encoded when the challenge does not say `charset=UTF-8`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Charset {
    /// UTF-8, as curl, Chromium, Firefox and .NET send it.
    #[default]
    Utf8,
    /// ISO-8859-1 where it has all the characters, else UTF-8 (RFC 7617, appendix B.2): for old
    /// servers.
    Latin1,
}
