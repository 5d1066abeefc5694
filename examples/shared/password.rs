//! Asking for a password.

use std::env::VarError;
use std::io::{self, IsTerminal};

/// The password of a user, which is never empty: from the environment variable, typed by the user, or the
/// first line of stdin.
///
/// # Errors
///
/// If there is none; the text says why, and where it can be given.
pub(crate) fn password(user: &str, variable: &str) -> Result<String, String> {
    let none = |why: &str| {
        Err(format!(
            "There is no password for {user}: {why}. Put it into the variable {variable}, type it when asked, \
             or write it as the first line to stdin."
        ))
    };
    let (read, empty) = match std::env::var(variable) {
        Ok(password) => (Ok(password), "the variable is empty"),
        Err(VarError::NotUnicode(_)) => return none("the variable is not UTF-8"),
        Err(VarError::NotPresent) if io::stdin().is_terminal() => {
            (rpassword::prompt_password(format!("Password of {user}: ")), "nothing was typed")
        }
        Err(VarError::NotPresent) => (first_line(), "the first line of stdin is empty"),
    };
    match read {
        Ok(password) if password.is_empty() => none(empty),
        Ok(password) => Ok(password),
        Err(error) => none(&error.to_string()),
    }
}

fn first_line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
