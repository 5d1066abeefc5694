//! That we are in its tree must not make a program's own `reqwest::Client::new()` panic.

use legwork::{Authenticator, Client};

fn main() {
    drop(reqwest::Client::new());
    let lanes = Client::builder(Authenticator::builder().build()).build_reqwest(reqwest::Client::builder);
    drop(lanes.expect("settings that fit"));
}
