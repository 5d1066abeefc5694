//! What work with secrets leaves behind on the stack.

use std::hint::black_box;

/// How far down is wiped, in octets. The test in `tests/secrets` finds what is left with half of it.
const DEPTH: usize = 32 * 1024;

/// Does work with secrets, and wipes the stack that it has used.
///
/// Types that wipe themselves when they are dropped do not wipe where they were moved from, and hash functions and ciphers leave
/// their intermediate values. All of that is further down than here.
pub(crate) fn wiped<T>(work: impl FnOnce() -> T) -> T {
    let _wiped = Wiped;
    apart(work)
}

/// In a frame of its own, below that of its caller.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Wipes when it is dropped: after a panic too.
struct Wiped;

impl Drop for Wiped {
    #[inline(never)]
    fn drop(&mut self) {
        // Zeros that are looked at are written.
        black_box(&mut [0_u64; DEPTH / 8]);
    }
}
