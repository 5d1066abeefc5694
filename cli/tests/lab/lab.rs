//! The lab as these tests see it: the lines of its `env` file.

use std::collections::HashMap;
use std::process::Command;

use crate::program::get;

/// Where the servers are, and whom they know.
pub(crate) struct Lab(HashMap<String, String>);

impl Lab {
    /// The running lab.
    pub(crate) fn running() -> Self {
        let path =
            std::env::var("LEGWORK_LAB").expect("LEGWORK_LAB is set: start these tests with tests/run");
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("LEGWORK_LAB={path} cannot be read ({error}): is the lab up?"));
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    pub(crate) fn value(&self, key: &str) -> &str {
        self.0.get(key).unwrap_or_else(|| panic!("the lab has no {key} (tests/lab/lab info lists all)"))
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
