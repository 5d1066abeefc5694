/// The scheme's registered name.
pub(super) const NAME: &str = "Digest";
