//! `legwork`: logs in over HTTP from the command line.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::exit::Exit;
use crate::output::{complain, print};

mod account;
mod advice;
mod chain;
mod doctor;
mod exit;
mod gateway;
mod get;
mod output;
mod policy;
mod secret;
mod shell;
mod system;
mod trust;
mod way;

/// Logs in over HTTP: Negotiate (Kerberos, NTLM), NTLM, SCRAM, Digest, Bearer and Basic.
#[derive(Parser)]
#[command(name = "legwork", version, infer_subcommands = true, arg_required_else_help = true, after_help = exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Get(Box<get::Arguments>),
    Doctor(Box<doctor::Arguments>),
    Gateway(Box<gateway::Arguments>),
    /// Prints what a shell needs to complete this program's arguments
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Prints this program's manual page, or that of one of its commands, for man(1)
    Man {
        /// The command that it is about
        command: Option<String>,
    },
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("legwork: the system gives no threads or no sockets: {error}"));
            return Exit::Read.into();
        }
    };
    let exit = runtime.block_on(run(arguments.command));
    // Not waiting for whoever still reads stdin, or asks the system for a ticket.
    runtime.shutdown_background();
    exit.into()
}

async fn run(command: Command) -> Exit {
    match command {
        Command::Get(arguments) => get::run(*arguments).await,
        Command::Doctor(arguments) => doctor::run(*arguments).await,
        Command::Gateway(arguments) => gateway::run(*arguments).await,
        Command::Completions { shell } => completions(shell),
        Command::Man { command } => man(command.as_deref()),
    }
}

fn misused(error: &clap::Error) -> ExitCode {
    // Nobody may want to read it.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done.into(),
        _ => Exit::Usage.into(),
    }
}

fn completions(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "legwork", &mut script);
    print(String::from_utf8_lossy(&script))
}

/// What the manual pages say that they come from.
const SOURCE: &str = concat!("legwork ", env!("CARGO_PKG_VERSION"));

fn man(command: Option<&str>) -> Exit {
    let mut whole = Arguments::command();
    whole.build();
    let about = match command {
        None => whole,
        Some(name) => match whole.find_subcommand(name) {
            Some(found) => found.clone(),
            None => {
                complain(format_args!("legwork: {name} is no command of this program; --help lists them"));
                return Exit::Usage;
            }
        },
    };
    let mut page = Vec::new();
    match clap_mangen::Man::new(about).source(SOURCE).render(&mut page) {
        Ok(()) => print(String::from_utf8_lossy(&page)),
        Err(error) => {
            complain(format_args!("legwork: the page cannot be made: {error}"));
            Exit::File
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }
}
