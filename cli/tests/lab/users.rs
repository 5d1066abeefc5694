//! `legwork get` as the lab's users.

use std::process::Command;

use crate::lab::lab;
use crate::program::get;

/// The running lab.
pub(crate) struct Lab;

impl Lab {
    pub(crate) fn value(&self, key: &str) -> &'static str {
        lab(key)
    }

    pub(crate) fn url(&self, server: &str, path: &str) -> String {
        format!("{}{path}", self.value(server))
    }

    /// `legwork get` in the lab's realm.
    pub(crate) fn get(&self, arguments: &[&str]) -> Command {
        let mut command = get(arguments);
        command.env("KRB5_CONFIG", self.value("KRB5_CONFIG"));
        command
    }

    /// The same as one of the lab's users, whose name and password have this prefix.
    pub(crate) fn get_as(&self, user: &str, arguments: &[&str]) -> Command {
        let mut command = self.get(&["-u", self.value(&format!("{user}_USER"))]);
        command.args(arguments).env("LEGWORK_PASSWORD", self.value(&format!("{user}_PASSWORD")));
        command
    }
}
