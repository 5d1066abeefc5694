//! What work with secrets leaves behind on the stack.

use std::hint::black_box;

/// How far down work with secrets goes, in octets.
#[derive(Clone, Copy)]
pub(crate) enum Depth {
    /// A hash over a key.
    Hash = 4 * 1024,
    /// A mechanism's step. With 4 KiB the test in `tests/secrets` finds what Kerberos has left.
    Step = 32 * 1024,
}

/// Octets that are wiped at once: so few that it takes no longer than it must. From 2 KiB on, glibc begins a string instruction.
const ZEROS: usize = 2040;
/// Octets that are wiped with them, at least: above them is where the call returns to.
const FRAME: usize = ZEROS + 8;

/// Does work with secrets, and wipes the stack that it has used.
///
/// Types that wipe themselves when they are dropped do not wipe where they were moved from, and hash functions and ciphers leave
/// their intermediate values. All of that is further down than here.
pub(crate) fn wiped<T>(depth: Depth, work: impl FnOnce() -> T) -> T {
    let _wiped = Wiped(depth);
    apart(work)
}

/// In a frame of its own, below that of its caller.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Wipes when it is dropped: after a panic too.
struct Wiped(Depth);

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe((self.0 as usize).div_ceil(FRAME));
    }
}

/// Fills so many frames with zeros, one below the other.
#[inline(never)]
fn wipe(frames: usize) {
    let mut zeros = [0_u64; ZEROS / 8];
    // Zeros that are looked at are written. And a frame that is looked at later is not the next one's.
    black_box(&mut zeros);
    if frames > 1 {
        wipe(frames - 1);
    }
    black_box(&mut zeros);
}
