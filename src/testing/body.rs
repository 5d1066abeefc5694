//! The content of answers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::activity::Answering;
use super::quirk::RefusalBody;

/// How much of a large body goes into a frame.
const CHUNK: &[u8] = &[b'.'; 8 * 1024];

/// The content of an answer. The answer counts as under way until this is dropped.
pub(super) struct AnswerBody {
    content: PageContent,
    _answering: Answering,
}

enum PageContent {
    Whole(Bytes),
    /// All octets, of which the last one waits.
    Held(Bytes, Pin<Box<dyn Future<Output = ()> + Send>>),
    Large(u64),
    Endless,
}

impl AnswerBody {
    pub(super) fn whole(text: impl Into<Bytes>, answering: Answering) -> Self {
        Self { content: PageContent::Whole(text.into()), _answering: answering }
    }

    /// The content of a refusal.
    pub(super) fn refusal(body: Option<RefusalBody>, text: &'static str, answering: Answering) -> Self {
        let text = Bytes::from_static(text.as_bytes());
        let content = match body {
            None | Some(RefusalBody::Short) => PageContent::Whole(text),
            Some(RefusalBody::Empty) => PageContent::Whole(Bytes::new()),
            Some(RefusalBody::Late(delay)) => PageContent::Held(text, Box::pin(tokio::time::sleep(delay))),
            Some(RefusalBody::HeldBy(gate)) => {
                PageContent::Held(text, Box::pin(async move { gate.pass().await }))
            }
            Some(RefusalBody::Large(octets)) => PageContent::Large(octets),
            Some(RefusalBody::Endless) => PageContent::Endless,
        };
        Self { content, _answering: answering }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut self.get_mut().content {
            PageContent::Whole(text) => std::mem::take(text),
            PageContent::Held(text, release) => {
                if text.len() == 1 {
                    ready!(release.as_mut().poll(cx));
                }
                text.split_to(text.len().saturating_sub(1).max(1).min(text.len()))
            }
            PageContent::Large(left) => {
                let octets = (*left).min(CHUNK.len() as u64);
                *left -= octets;
                Bytes::from_static(&CHUNK[..octets as usize])
            }
            PageContent::Endless => Bytes::from_static(CHUNK),
        };
        Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            PageContent::Whole(text) | PageContent::Held(text, _) => SizeHint::with_exact(text.len() as u64),
            PageContent::Large(left) => SizeHint::with_exact(*left),
            PageContent::Endless => SizeHint::default(),
        }
    }
}
