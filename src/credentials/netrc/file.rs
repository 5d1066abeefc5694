//! Where the file is, and what is in it.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::credentials::netrc::error::NetrcError;

/// How many octets a file may have.
pub(super) const MAX_OCTETS: usize = 256 * 1024;

/// Where to look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NetrcLocation {
    /// This file, which has to be there.
    Named(PathBuf),
    /// The first of these that is there.
    AtHome(Vec<PathBuf>),
}

/// By the variables of the environment.
pub(super) fn find(variable: impl Fn(&str) -> Option<OsString>) -> NetrcLocation {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    if let Some(path) = set("NETRC") {
        return NetrcLocation::Named(path.into());
    }
    let (homes, names): (&[&str], &[&str]) = match cfg!(windows) {
        true => (&["HOME", "USERPROFILE"], &[".netrc", "_netrc"]),
        false => (&["HOME"], &[".netrc"]),
    };
    let home = homes.iter().find_map(|home| set(home)).map(PathBuf::from);
    NetrcLocation::AtHome(
        home.map(|home| names.iter().map(|name| home.join(name)).collect()).unwrap_or_default(),
    )
}

/// The file's octets, wiped when they are dropped.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, NetrcError> {
    let file = File::open(path).map_err(NetrcError::unreadable)?;
    // Room for all, so that no copy is left behind by growing.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_OCTETS + 64));
    let limit = MAX_OCTETS as u64 + 1;
    file.take(limit).read_to_end(&mut text).map_err(NetrcError::unreadable)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_comes_before_the_home() {
        let variables = |name: &str| match name {
            "NETRC" => Some("/etc/netrc".into()),
            _ => Some("carol".into()),
        };
        assert_eq!(find(variables), NetrcLocation::Named("/etc/netrc".into()));
        let home = |name: &str| (name != "NETRC").then(|| OsString::from("home"));
        let NetrcLocation::AtHome(paths) = find(home) else { panic!("at home") };
        assert_eq!(paths[0], Path::new("home").join(".netrc"));
        assert_eq!(find(|_| None), NetrcLocation::AtHome(Vec::new()));
        assert_eq!(find(|_| Some(OsString::new())), NetrcLocation::AtHome(Vec::new()));
    }
}
