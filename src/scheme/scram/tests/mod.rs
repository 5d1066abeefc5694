mod conversations;
mod published;

use super::Scram;
use crate::challenge::{Challenge, Challenges};
use crate::credentials::Credentials;

fn user() -> Credentials {
    Credentials::password("user", "pencil")
}

/// Few iterations: the arithmetic is the same, and unoptimised builds are slow at it.
fn quick() -> Scram {
    Scram::new().dangerous_min_iterations(1)
}

fn challenge(value: &str) -> Challenge {
    Challenges::from_value(value.as_bytes()).iter().next().expect(value).clone()
}
