//! What to try where nothing fails.

use crate::doctor::diagnosis::case::Case;
use crate::doctor::diagnosis::subject::Subject;
use crate::doctor::facts::{AttemptResult, Choice, Role, With};
use crate::shell::quoted;

impl Case<'_> {
    /// What to try where nothing fails.
    pub(crate) fn next(&self, choice: Option<&Choice>) -> String {
        let login = self.attempt.filter(|attempt| attempt.result == AttemptResult::LoggedIn);
        let url = quoted(self.url);
        let more = if self.has_options { " (with the same options)" } else { "" };
        if login.is_some() {
            return "the login works from here; if it fails in another program, compare what that one sends \
                    with `legwork get -v`"
                .to_owned();
        }
        let Some(choice) = choice else {
            let redirect = self.hops.last().and_then(|hop| hop.location.as_deref());
            return match (self.challenging(), redirect) {
                (None, Some(location)) => format!("examine where it redirects to: {location}"),
                (None, None) => "nothing: no login is asked for".to_owned(),
                (Some(hop), _) if hop.offers("Bearer") => {
                    format!(
                        "`legwork doctor --try --bearer {url}`{more} tries a token: ask whoever runs the server \
                         for one"
                    )
                }
                (Some(_), _) => {
                    "name a user (-u NAME) or use a --ticket: none of what was given can log in".to_owned()
                }
            };
        };
        let options = match (choice.role, choice.with, self.subject) {
            (Role::Origin, With::Ticket, _) => "--ticket".to_owned(),
            (Role::Proxy, With::Ticket, _) => "--proxy-user :".to_owned(),
            (Role::Origin, With::Password, Subject::User(user)) => format!("--try -u {}", quoted(user)),
            (Role::Origin, With::Password, Subject::Somebody) => "--try".to_owned(),
            (Role::Origin, With::Password, _) => "--try -u NAME".to_owned(),
            (Role::Proxy, With::Password, Subject::User(user)) => {
                format!("--try --proxy-user {}", quoted(user))
            }
            (Role::Proxy, With::Password, _) => "--try --proxy-user NAME".to_owned(),
        };
        let tries = match choice.with {
            With::Ticket => "shows the ticket to it",
            With::Password if choice.scheme == "Bearer" => "tries the token, once",
            With::Password => "tries the password, once",
        };
        format!("`legwork doctor {options} {url}`{more} {tries}")
    }
}
