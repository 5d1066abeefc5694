use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::Method;

use crate::account::{Account, Named};
use crate::exit;
use crate::get::conversation::Format;
use crate::policy::Policy;
use crate::shell::quoted;
use crate::way::Way;

const REQUEST: &str = "The request";
const ANSWER: &str = "The answer";
const OTHER_DATA: [&str; 4] = ["data", "data_raw", "data_binary", "json"];

/// Gets a page, or sends something there, and logs in where that is asked for
///
/// The page goes to stdout, and everything else to stderr. Options that curl has mean what they mean there. A server's
/// challenge is answered by the strongest scheme that it offers; nothing is sent to a server that does not ask.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct Arguments {
    /// What to get: http://... or https://...
    pub(super) url: String,
    #[command(flatten)]
    pub(super) account: Account,
    #[command(flatten)]
    pub(super) policy: Policy,
    #[command(flatten)]
    pub(super) way: Way,
    /// Use this method. Without it: GET, or HEAD, POST and PUT as other options say
    #[arg(short = 'X', long, value_name = "METHOD", help_heading = REQUEST)]
    pub(super) request: Option<Method>,
    /// Send this, or what is in a file (@FILE, without its line ends; @- is stdin), as a form does; given again, joined
    /// by &
    #[arg(short, long, value_name = "DATA", conflicts_with_all = others("data"), help_heading = REQUEST)]
    pub(super) data: Vec<String>,
    /// The same, with nothing special about an @
    #[arg(long, value_name = "DATA", conflicts_with_all = others("data_raw"), help_heading = REQUEST)]
    pub(super) data_raw: Vec<String>,
    /// The same as --data, and files are sent as they are
    #[arg(long, value_name = "DATA", conflicts_with_all = others("data_binary"), help_heading = REQUEST)]
    pub(super) data_binary: Vec<String>,
    /// The same as --data-binary, as application/json
    #[arg(long, value_name = "DATA", conflicts_with_all = others("json"), help_heading = REQUEST)]
    pub(super) json: Vec<String>,
    /// Upload this file by PUT, without reading it into memory; - is stdin. To a URL that ends with / its name is added
    #[arg(short = 'T', long, value_name = "FILE", conflicts_with_all = OTHER_DATA, help_heading = REQUEST)]
    pub(super) upload_file: Option<PathBuf>,
    /// Log in by a HEAD before content is sent, at a server that reads it all before it asks for a login
    #[arg(long, help_heading = REQUEST)]
    pub(super) authenticate_first: bool,
    /// Send this field; `Name:` leaves one out, `Name;` sends it empty
    #[arg(short = 'H', long, value_name = "FIELD", help_heading = REQUEST)]
    pub(super) header: Vec<String>,
    /// Get the head of the answer only, by HEAD
    #[arg(short = 'I', long, conflicts_with_all = OTHER_DATA, conflicts_with = "upload_file", help_heading = REQUEST)]
    pub(super) head: bool,
    /// Follow redirects. Another server gets neither your login nor your fields with secrets
    #[arg(short = 'L', long, help_heading = REQUEST)]
    pub(super) location: bool,
    /// How many redirects at the most
    #[arg(long, value_name = "NUMBER", default_value_t = 50, help_heading = REQUEST)]
    pub(super) max_redirs: u32,
    /// Speak HTTP/2 with https servers that offer it, except where a login needs HTTP/1.1
    #[arg(long, conflicts_with = "http1_1", help_heading = REQUEST)]
    pub(super) http2: bool,
    /// Speak HTTP/1.1 only, as without --http2
    #[arg(long = "http1.1", help_heading = REQUEST)]
    pub(super) http1_1: bool,
    /// Give up after this many seconds
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, help_heading = REQUEST)]
    pub(super) max_time: Option<Duration>,
    /// Give up connecting after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = REQUEST)]
    pub(super) connect_timeout: Option<Duration>,
    /// Write the page to this file, which is left as it was where the page does not come whole; - is stdout
    #[arg(short, long, value_name = "FILE", help_heading = ANSWER)]
    pub(super) output: Option<PathBuf>,
    /// Write the page to a file in this directory that is named as in the URL
    #[arg(short = 'O', long, conflicts_with = "output", help_heading = ANSWER)]
    pub(super) remote_name: bool,
    /// Print the head of the answer before the page
    #[arg(short, long, help_heading = ANSWER)]
    pub(super) include: bool,
    /// Leave the page out if the status is 400 or more, and end with 22
    #[arg(short, long, help_heading = ANSWER)]
    pub(super) fail: bool,
    /// End with 22 if the status is 400 or more
    #[arg(long, conflicts_with = "fail", help_heading = ANSWER)]
    pub(super) fail_with_body: bool,
    /// Show neither progress nor what went wrong
    #[arg(short, long, help_heading = ANSWER)]
    pub(super) silent: bool,
    /// With --silent: show what went wrong
    #[arg(short = 'S', long, help_heading = ANSWER)]
    pub(super) show_error: bool,
    /// Show the conversation on stderr: each connection and what was said on it, without secrets
    #[arg(short, long, help_heading = ANSWER)]
    pub(super) verbose: bool,
    /// Write the conversation to a file, as text, as a Mermaid diagram or as a page of HTML; - is stderr
    #[arg(
        long,
        num_args = 2,
        value_names = ["text|mermaid|html", "FILE"],
        help_heading = ANSWER
    )]
    pub(super) trace: Vec<String>,
}

fn others(one: &'static str) -> impl IntoIterator<Item = &'static str> {
    OTHER_DATA.into_iter().filter(move |other| *other != one)
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds: f64 = text.parse().map_err(|_| "that is no number")?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or("it is more than 0, such as 2.5")
}

impl Arguments {
    /// Where and how the conversation is to be written.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub(super) fn traced(&self) -> Result<Option<(Format, PathBuf)>, String> {
        let [format, file] = self.trace.as_slice() else { return Ok(None) };
        let format = match format.as_str() {
            "text" => Format::Text,
            "mermaid" => Format::Mermaid,
            "html" => Format::Html,
            other => return Err(format!("--trace {other}: it is text, mermaid or html, and then a file")),
        };
        Ok(Some((format, file.into())))
    }

    /// Names the command that tells why a login fails, for this URL without its query.
    pub(super) fn doctor(&self) -> String {
        let has_user = self.account.named() != Named::Nobody || self.way.named_at_proxy() != Named::Nobody;
        let has_options = self.account.has_options() || self.policy.has_options() || self.way.has_options();
        let more = if has_user || has_options { " (with the same options)" } else { "" };
        let url = self.url.split(['?', '#']).next().unwrap_or_default();
        format!(" `legwork doctor {}`{more} tells why.", quoted(url))
    }

    /// Whether what goes wrong is to be said.
    pub(super) fn complains(&self) -> bool {
        !self.silent || self.show_error
    }
}
