//! The request, and its answer.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use legwork::client::redirect::{FollowRedirectsLayer, Redirected, Redirects};
use legwork::client::{AuthenticateFirst, ResponseBody};
use legwork::service::{Error, ErrorKind};
use legwork::tower_layer::Layer;
use legwork::{Client, Origin, Outcome};

use crate::account::{Named, Who};
use crate::advice::{self, Advice};
use crate::chain::causes;
use crate::exit::Exit;
use crate::get::arguments::Arguments;
use crate::get::content::{At, Content, Data, Unreadable};
use crate::get::conversation::Conversation;
use crate::get::fields::fields;
use crate::get::head::head;
use crate::get::progress::Progress;
use crate::get::sink::{self, Sink};
use crate::get::target::Target;
use crate::output::complain;

const USER_AGENT: &str = concat!("legwork/", env!("CARGO_PKG_VERSION"));

/// A request that is ready to be sent.
pub(super) struct Transfer<'a> {
    arguments: &'a Arguments,
    conversation: &'a Conversation,
    target: Target,
    method: Method,
    fields: HeaderMap,
    content: Content,
    output: Option<PathBuf>,
    client: Client<Content>,
}

impl<'a> Transfer<'a> {
    /// Reads what the arguments name, and asks for a password.
    pub(super) fn prepare(arguments: &'a Arguments, conversation: &'a Conversation) -> Result<Self, Advice> {
        let misuse = |why: String| Advice::new(Exit::Usage, why, "");
        let no_login = |why: String| Advice::new(Exit::Secret, why, "");
        let target = Target::parse(&arguments.url, arguments.upload_file.as_deref())?;
        let output = match arguments.remote_name {
            true => Some(target.file_name()?),
            false => arguments.output.clone(),
        };
        let data = data(arguments);
        let from_stdin = [
            arguments.account.takes_stdin(),
            arguments.way.takes_stdin(),
            arguments.upload_file.as_deref() == Some(Path::new("-")),
            data.as_ref().is_some_and(|(data, _)| data.takes_stdin()),
        ];
        if from_stdin.into_iter().filter(|takes| *takes).count() > 1 {
            return Err(misuse("stdin can be read once, and more than one option wants it".to_owned()));
        }
        if arguments.account.named() == Named::Ticket && arguments.policy.names_kdcs() {
            return Err(misuse(
                "--kdc is for a user with a password (-u NAME): a ticket is the system's, whose krb5.conf names its \
                 KDCs"
                    .to_owned(),
            ));
        }
        let proxies = arguments.way.proxies().map_err(misuse)?;
        let tls = arguments.way.tls().map_err(|why| Advice::new(Exit::Tls, why, ""))?;
        let mut ours = vec![(header::ACCEPT, "*/*"), (header::USER_AGENT, USER_AGENT)];
        let content = match (&data, &arguments.upload_file) {
            (Some((data, content_type)), _) => {
                ours.extend(content_type.iter().cloned());
                Content::kept(data.read()?)
            }
            (None, Some(file)) => Content::streamed(file, shows_progress(arguments))?,
            (None, None) => Content::default(),
        };
        let fields = fields(&ours, &arguments.header)?;
        let method = match &arguments.request {
            Some(method) => method.clone(),
            None if arguments.head => Method::HEAD,
            None if data.is_some() => Method::POST,
            None if arguments.upload_file.is_some() => Method::PUT,
            None => Method::GET,
        };

        let authenticator = arguments.policy.authenticator(&target.origin);
        let authenticator = match arguments.account.who().map_err(no_login)? {
            Who::Nobody => authenticator,
            Who::Known(credentials) => authenticator.credentials(target.origin.clone(), credentials),
            Who::Netrc(netrc) => {
                for unusable in netrc.unusable() {
                    complain(format_args!("legwork: {unusable}"));
                }
                authenticator.provider(netrc)
            }
        };
        let mut builder =
            Client::builder(authenticator.build()).environment(conversation.environment()).proxies(proxies);
        if arguments.http2 {
            builder = builder.http2();
        }
        if let Some(timeout) = arguments.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        let client = builder.build_with_tls(tls);
        Ok(Self { arguments, conversation, target, method, fields, content, output, client })
    }

    /// Sends the request, and delivers the answer.
    pub(super) async fn run(mut self) -> Result<(), Advice> {
        let response = self.send().await?;
        self.conversation.show(response.extensions().get());
        let judgement = self.judge(&response);
        if judgement.is_err() && self.arguments.fail && is_failure(response.status()) {
            return judgement;
        }
        self.deliver(response).await?;
        judgement
    }

    async fn send(&mut self) -> Result<Response<ResponseBody>, Advice> {
        let content = std::mem::take(&mut self.content);
        let spare = content.again();
        match (self.send_once(content).await, spare) {
            // What the server wants is known now, and the content waits until it is wanted.
            (Err(error), Some(spare))
                if matches!(error.kind(), ErrorKind::BodyNotReplayable { lost: None, .. }) =>
            {
                self.send_once(spare).await.map_err(|error| no_answer(&error))
            }
            (result, _) => result.map_err(|error| no_answer(&error)),
        }
    }

    async fn send_once(&self, content: Content) -> Result<Response<ResponseBody>, Error> {
        let mut request = Request::new(content);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.uri.clone();
        *request.headers_mut() = self.fields.clone();
        // Over HTTP/2 nobody says when to send the content.
        if self.arguments.authenticate_first || self.arguments.http2 {
            request.extensions_mut().insert(AuthenticateFirst);
        }
        if !self.arguments.location {
            return self.client.request(request).await;
        }
        let redirects = Redirects::default().limit(self.arguments.max_redirs);
        let following = FollowRedirectsLayer::new(redirects).repeating(Content::again);
        following.layer(self.client.clone()).request(request).await
    }

    /// What is to be said of the answer.
    fn judge(&self, response: &Response<ResponseBody>) -> Result<(), Advice> {
        let (status, extensions) = (response.status(), response.extensions());
        if let Some(Outcome::Refused(refusal)) = extensions.get() {
            return Err(advice::on_refused_answer(refusal, response.headers()));
        }
        let redirected: Option<&Redirected> = extensions.get();
        let origin = redirected.and_then(|redirected| Origin::from_uri(&redirected.uri).ok());
        let origin = origin.as_ref().unwrap_or(&self.target.origin);
        let answered = format!("{origin} answered {status}");
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) {
            let is_users = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION]
                .iter()
                .any(|name| self.fields.contains_key(name));
            let is_logged_in = matches!(extensions.get(), Some(Outcome::LoggedIn(_)));
            let uri = redirected.map_or(&self.target.uri, |redirected| &redirected.uri);
            let has_proxy = !matches!(self.arguments.way.proxy_of(uri), Ok(None));
            return Err(match is_users {
                _ if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED && !has_proxy => Advice::new(
                    Exit::Refused,
                    format!("{origin} answers as a proxy does ({status}), and was not asked as one"),
                    advice::AS_A_PROXY,
                ),
                false if !is_logged_in => {
                    Advice::new(Exit::Refused, answered, "`legwork get -i` shows the whole answer.")
                }
                true => Advice::new(
                    Exit::Refused,
                    format!("{answered} to the authorization given by -H"),
                    "Leave that field out, and log in by -u NAME.",
                ),
                false => Advice::new(
                    Exit::Refused,
                    format!("{answered} on a connection that is logged in"),
                    "This user may have no access to this page: try another, or ask for access.",
                ),
            });
        }
        if let Some(stopped) = redirected.and_then(|redirected| redirected.stopped) {
            let next = "`legwork get -i` without -L shows where it leads to.";
            return Err(Advice::new(Exit::Redirect, format!("{answered}: {stopped}"), next));
        }
        if (self.arguments.fail || self.arguments.fail_with_body) && is_failure(status) {
            return Err(Advice::new(Exit::Status, answered, ""));
        }
        Ok(())
    }

    async fn deliver(&self, response: Response<ResponseBody>) -> Result<(), Advice> {
        let output = self.output.as_deref();
        let mut sink = Sink::open(output)?;
        if self.arguments.include || self.arguments.head {
            let head = head(&response, sink::is_terminal(output));
            if sink.write_head(&head).await?.is_break() {
                return Ok(());
            }
        }
        let mut body = response.into_body();
        let mut progress = (output.is_some() && !sink::is_terminal(output) && shows_progress(self.arguments))
            .then(|| Progress::new("download", body.size_hint().exact()));
        while let Some(frame) = body.frame().await {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    let mut advice = advice::on_broken_content(&error);
                    if let Some(left) = sink.break_off().await {
                        advice.next = format!("{left} Try once more.");
                    }
                    return Err(advice);
                }
            };
            let Ok(piece) = frame.into_data() else { continue };
            if sink.write(&piece).await?.is_break() {
                return Ok(());
            }
            if let Some(progress) = &mut progress {
                progress.advance(piece.len() as u64);
            }
        }
        sink.finish().await
    }
}

/// Data, and the fields that go with it.
type DataWithFields<'a> = (Data<'a>, Vec<(HeaderName, &'static str)>);

fn data(arguments: &Arguments) -> Option<DataWithFields<'_>> {
    let form = || vec![(header::CONTENT_TYPE, "application/x-www-form-urlencoded")];
    let json = || vec![(header::CONTENT_TYPE, "application/json"), (header::ACCEPT, "application/json")];
    let kinds = [
        (&arguments.data, "&", At::Text),
        (&arguments.data_raw, "&", At::Itself),
        (&arguments.data_binary, "&", At::File),
        (&arguments.json, "", At::File),
    ];
    let (parts, joint, at) = kinds.into_iter().find(|(parts, ..)| !parts.is_empty())?;
    let fields = if joint.is_empty() { json() } else { form() };
    Some((Data { parts, joint, at }, fields))
}

fn shows_progress(arguments: &Arguments) -> bool {
    !arguments.silent && io::stderr().is_terminal()
}

fn is_failure(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn no_answer(error: &Error) -> Advice {
    match causes(error).find_map(|cause| cause.downcast_ref::<Unreadable>()) {
        Some(unreadable) => Advice::new(Exit::Read, unreadable.to_string(), "The upload was broken off."),
        None => advice::on_error(error),
    }
}
