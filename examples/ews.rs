//! Reads how many messages there are in an Exchange server's inbox: a SOAP request in a `POST`,
//! behind Negotiate or NTLM.
//!
//! `cargo run --example ews` talks to a server inside the program; with a URL and a user,
//! `cargo run --example ews -- https://mail.example/EWS/Exchange.asmx 'DOMAIN\name'`, to yours. The
//! password is asked for, or in the variable `EWS_PASSWORD`.

use std::process::ExitCode;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full};
use legwork::handshake::Outcome;
use legwork::service::{BoxError, Environment, Recorder};
use legwork::testing::{Offer, Server};
use legwork::{Authenticator, Client, Credentials, Origin};

use crate::chain::chain;
use crate::count::count;
use crate::output::{complain, print};
use crate::password::password;

#[path = "shared/chain.rs"]
mod chain;
#[path = "shared/count.rs"]
mod count;
#[path = "shared/output.rs"]
mod output;
#[path = "shared/password.rs"]
mod password;

const GET_FOLDER: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"
    xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"
    xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">
  <soap:Header><t:RequestServerVersion Version="Exchange2013"/></soap:Header>
  <soap:Body>
    <m:GetFolder>
      <m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>
      <m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds>
    </m:GetFolder>
  </soap:Body>
</soap:Envelope>"#;

/// What the server inside the program answers.
const FOLDER: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
<m:GetFolderResponse xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"
    xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">
<m:ResponseMessages><m:GetFolderResponseMessage ResponseClass="Success">
<m:ResponseCode>NoError</m:ResponseCode><m:Folders><t:Folder><t:DisplayName>Inbox</t:DisplayName>
<t:TotalCount>42</t:TotalCount><t:UnreadCount>3</t:UnreadCount></t:Folder></m:Folders>
</m:GetFolderResponseMessage></m:ResponseMessages></m:GetFolderResponse></s:Body></s:Envelope>"#;

/// Where to, and as whom.
struct Account {
    url: Uri,
    user: String,
    password: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let Some(option) = arguments.iter().find(|argument| argument.starts_with('-')) {
        complain(format_args!("{option} is not known: there are a URL and a user, or neither"));
        return ExitCode::from(2);
    }
    match run(&arguments).await {
        Ok(text) => print(format_args!("{text}\n")),
        Err(error) => {
            complain(chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// What is to be printed.
async fn run(arguments: &[String]) -> Result<String, BoxError> {
    match arguments {
        [] => {
            let (user, password) = ("LAB\\carol".to_owned(), "carol-pw".to_owned());
            let server = Server::builder().user(&user, &password).page(FOLDER);
            let server = server.offer(Offer::Negotiate).offer(Offer::Ntlm).start().await?;
            read_inbox(Account { url: server.uri("/EWS/Exchange.asmx"), user, password }).await
        }
        [url, user] => {
            let password = password(user, "EWS_PASSWORD")?;
            read_inbox(Account { url: url.parse()?, user: user.clone(), password }).await
        }
        _ => Err("a URL and a user, or neither".into()),
    }
}

async fn read_inbox(Account { url, user, password }: Account) -> Result<String, BoxError> {
    let credentials = Credentials::password(user, password);
    let authenticator = Authenticator::builder().credentials(Origin::from_uri(&url)?, credentials).build();
    let recorder = Recorder::new();
    let client = Client::builder(authenticator)
        .environment(Environment::tokio().observer(recorder.clone()))
        .build_https::<Full<Bytes>>()?;
    let request = Request::post(url)
        .header(header::CONTENT_TYPE, "text/xml; charset=utf-8")
        .body(Full::from(GET_FOLDER))?;

    let response = client.request(request).await?;
    let (head, body) = response.into_parts();
    let text = String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned();
    let recording = recorder.take();
    let legs = count(recording.legs().count(), "leg");
    let outcome = match head.extensions.get() {
        Some(Outcome::LoggedIn(login)) => format!("logged in by {}", login.scheme),
        Some(Outcome::Refused(refusal)) => refusal.to_string(),
        _ => "no login was asked for".to_owned(),
    };
    let folder = match (element(&text, "TotalCount"), element(&text, "UnreadCount")) {
        (Some(total), Some(unread)) => {
            let name = element(&text, "DisplayName").unwrap_or("The inbox");
            format!("{name}: {total} messages, {unread} of them unread.")
        }
        // A fault says why in words.
        _ => {
            element(&text, "faultstring").or(element(&text, "MessageText")).unwrap_or("No folder.").to_owned()
        }
    };
    Ok(format!("{recording}\n{}, {legs}, {outcome}.\n{folder}", head.status))
}

/// The text of the first element with this name, whatever its prefix. A program with more to read
/// than this has an XML parser.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut tags = text.split('<').skip(1);
    tags.find_map(|tag| {
        let (start, content) = tag.split_once('>')?;
        let full_name = start.split_ascii_whitespace().next()?;
        let local_name = full_name.rsplit(':').next()?;
        (local_name == name && !full_name.starts_with('/')).then_some(content)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_arguments_the_inbox_of_the_embedded_server_is_read() {
        let text = run(&[]).await.expect("a folder");
        for part in [
            "POST /EWS/Exchange.asmx",
            "NTLM AUTHENTICATE",
            "200 OK, 3 legs, logged in by Negotiate.",
            "Inbox: 42 messages, 3 of them unread.",
        ] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
    }

    #[tokio::test]
    async fn an_argument_alone_is_too_little() {
        run(&["https://mail.example/EWS/Exchange.asmx".to_owned()]).await.expect_err("no user");
    }
}
