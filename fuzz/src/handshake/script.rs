//! The fuzzer's octets as a script: every choice is one octet, and `a` is always the first of the
//! choices, so that a seed can be written by hand. White space before a choice is for its reader.

/// What is left of the script.
#[derive(Clone, Copy)]
pub(super) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.trim_ascii_start().is_empty()
    }

    /// A number below `bound`; 0 when the script is over.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let Some((octet, rest)) = self.0.trim_ascii_start().split_first() else { return 0 };
        self.0 = rest;
        usize::from(octet.wrapping_sub(b'a')) % bound
    }

    pub(super) fn choose<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }

    /// `a` is no, `b` is yes.
    pub(super) fn yes(&mut self) -> bool {
        self.choose(&[false, true])
    }

    /// The octets up to the end of the line.
    pub(super) fn line(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|&octet| octet == b'\n').unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        line
    }
}
