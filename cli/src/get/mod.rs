//! `legwork get`: one request, logged in.

mod arguments;
mod content;
mod conversation;
mod ending;
mod fields;
mod head;
mod progress;
mod sink;
mod target;
mod transfer;

use crate::advice::Advice;
use crate::exit::Exit;
use crate::get::conversation::Conversation;
use crate::get::transfer::Transfer;
use crate::output::complain;

pub(crate) use arguments::Arguments;

pub(crate) async fn run(arguments: Arguments) -> Exit {
    match get(&arguments).await {
        Ok(()) => Exit::Done,
        Err(advice) => {
            if arguments.complains() {
                let more = if advice.exit == Exit::Refused { arguments.doctor() } else { String::new() };
                complain(format_args!("legwork: {advice}{more}"));
            }
            advice.exit
        }
    }
}

async fn get(arguments: &Arguments) -> Result<(), Advice> {
    let trace = arguments.traced().map_err(|why| Advice::new(Exit::Usage, why, ""))?;
    let conversation = Conversation::new(arguments.verbose, trace);
    // Before the time begins to run: somebody may have to type a password.
    let transfer = Transfer::prepare(arguments, &conversation)?;
    let ended = tokio::select! {
        ended = transfer.run() => ended,
        advice = ending::time_is_up(arguments.max_time) => Err(advice),
        advice = ending::signal() => Err(advice),
    };
    // However it has ended, and before that is said.
    conversation.show(None);
    ended.and(conversation.write())
}
