//! Conversations over sockets: the client against the embedded server, which reports what each
//! connection carried.

mod login;
mod many;
mod support;
