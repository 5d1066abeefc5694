//! A GSS-API library that does what a test says: for what no real one does at will, such as to fail.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::sync::OnceLock;

use super::super::*;
use crate::mechanism::gssapi::credentials::Tickets;
use crate::mechanism::gssapi::{Canonicalization, Gssapi, System};

/// `GSS_S_CONTINUE_NEEDED`.
pub(crate) const CONTINUE: u32 = 1;
/// A routine error that says nothing, `GSS_S_FAILURE`.
pub(crate) const FAILURE: u32 = 13 << 16;

/// What one call of `gss_init_sec_context` comes to.
#[derive(Clone, Default)]
pub(crate) struct Initiation {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) token: Vec<u8>,
    pub(crate) flags: u32,
    pub(crate) mechanism: Option<&'static [u8]>,
}

/// What the library does, and what it was asked.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) initiations: VecDeque<Initiation>,
    /// Functions that fail, by what they are about.
    pub(crate) failing: HashSet<&'static str>,
    /// How long credentials hold, in seconds.
    pub(crate) lifetime: u32,
    pub(crate) owner: Option<&'static str>,
    pub(crate) initiator: Option<&'static str>,
    /// How many messages there are for each status.
    pub(crate) messages: u32,
    /// Names that were imported.
    pub(crate) imported: Vec<(String, Vec<u8>)>,
    /// For whom credentials were asked for, where that was said.
    pub(crate) acquired: Vec<Option<String>>,
    /// Flags and bindings of each step.
    pub(crate) steps: Vec<(u32, Option<Vec<u8>>)>,
    /// How many names, credentials, contexts and buffers are with the caller.
    pub(crate) live: usize,
}

thread_local! {
    static SCRIPT: RefCell<Script> = RefCell::default();
}

/// Changes what the library of this thread does, or looks at what it was asked.
pub(crate) fn script<T>(change: impl FnOnce(&mut Script) -> T) -> T {
    SCRIPT.with_borrow_mut(change)
}

/// A library without libkrb5 behind it. Its script is this thread's, and starts afresh.
pub(crate) fn library() -> Arc<Library> {
    Arc::new(unshared_library())
}

pub(super) fn unshared_library() -> Library {
    // What an earlier library of the thread has made still goes back.
    script(|script| *script = Script { messages: 1, live: script.live, ..Script::default() });
    Library {
        name: "libfake.so".into(),
        functions: Functions {
            gss_import_name: import_name,
            gss_display_name: display_name,
            gss_release_name: release,
            gss_release_buffer: release_buffer,
            gss_acquire_cred: acquire,
            gss_inquire_cred: inquire_credential,
            gss_release_cred: release,
            gss_init_sec_context: initiate,
            gss_inquire_context: inquire_context,
            gss_delete_sec_context: delete_context,
            gss_display_status: display_status,
            gss_get_mic: mic,
            gss_verify_mic: verify,
        },
        acquire_with_password: Some(acquire_with_password),
        acquire_from: None,
        host_principals: None,
    }
}

/// A mechanism of this library.
pub(crate) fn gssapi(mechanism: Oid) -> Gssapi {
    let library = OnceLock::from(Ok(library()));
    Gssapi {
        mechanism,
        canonicalization: Canonicalization::Off,
        shuts_ntlm_out: false,
        system: Arc::new(System { path: None, library, tickets: Tickets::default() }),
    }
}

/// The integrity code of a message.
fn code(message: &[u8]) -> Vec<u8> {
    [b"code of ", message].concat()
}

fn put<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: the caller lends a live place, or none.
        unsafe { place.write(value) };
    }
}

fn octets<'a>(buffer: *const Buffer) -> &'a [u8] {
    // SAFETY: the caller lends a live buffer for as long as the call takes.
    let Buffer { length, value } = unsafe { buffer.read() };
    // SAFETY: as above; the buffer has so many octets.
    unsafe { std::slice::from_raw_parts(value.cast::<u8>(), length) }
}

fn put_octets(place: *mut Buffer, octets: &[u8]) {
    script(|script| script.live += 1);
    let length = octets.len();
    let value = Box::into_raw(octets.to_vec().into_boxed_slice());
    put(place, Buffer { length, value: value.cast() });
}

/// Names, credentials and contexts alike are a text.
fn put_text(place: *mut Handle, text: &str) {
    script(|script| script.live += 1);
    put(place, Box::into_raw(Box::new(text.to_owned())).cast());
}

/// The status of the function that is about this.
fn status_of(what: &str, minor: *mut u32) -> u32 {
    let fails = script(|script| script.failing.contains(what));
    put(minor, if fails { 7 } else { 0 });
    if fails { FAILURE } else { 0 }
}

extern "C" fn import_name(
    minor: *mut u32,
    text: *const Buffer,
    kind: *const RawOid,
    name: *mut Handle,
) -> u32 {
    let text = String::from_utf8_lossy(octets(text)).into_owned();
    let kind = static_oid(kind).expect("a kind of name");
    let status = status_of("import", minor);
    if status == 0 {
        put_text(name, &text);
        script(|script| script.imported.push((text, kind)));
    }
    status
}

extern "C" fn display_name(minor: *mut u32, name: Handle, text: *mut Buffer, _: *mut *const RawOid) -> u32 {
    // SAFETY: a name is a text.
    put_octets(text, unsafe { name.cast::<String>().as_ref() }.expect("a name").as_bytes());
    status_of("display", minor)
}

extern "C" fn release(minor: *mut u32, handle: *mut Handle) -> u32 {
    script(|script| script.live -= 1);
    // SAFETY: the caller lends the place of what was made by `put_text`, and gives that back.
    drop(unsafe { Box::from_raw(handle.read().cast::<String>()) });
    put(handle, ptr::null_mut());
    put(minor, 0);
    0
}

extern "C" fn delete_context(minor: *mut u32, context: *mut Handle, _: *mut Buffer) -> u32 {
    release(minor, context)
}

extern "C" fn release_buffer(minor: *mut u32, buffer: *mut Buffer) -> u32 {
    // SAFETY: the caller lends a live buffer.
    let Buffer { length, value } = unsafe { buffer.read() };
    if !value.is_null() {
        script(|script| script.live -= 1);
        // SAFETY: it was made by `put_octets`, and is given back.
        drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(value.cast::<u8>(), length)) });
    }
    put(buffer, Buffer::EMPTY);
    put(minor, 0);
    0
}

extern "C" fn acquire(
    minor: *mut u32,
    name: Handle,
    _: u32,
    _: *const OidSet,
    _: c_int,
    credential: *mut Handle,
    _: *mut Handle,
    lifetime: *mut u32,
) -> u32 {
    let status = status_of("acquire", minor);
    // SAFETY: a name is a text, or there is none.
    let name = unsafe { name.cast::<String>().as_ref() }.cloned();
    if status == 0 {
        put_text(credential, "credentials");
    }
    put(
        lifetime,
        script(|script| {
            script.acquired.push(name);
            script.lifetime
        }),
    );
    status
}

extern "C" fn acquire_with_password(
    minor: *mut u32,
    name: Handle,
    _: *const Buffer,
    time: u32,
    mechanisms: *const OidSet,
    usage: c_int,
    credential: *mut Handle,
    actual: *mut Handle,
    lifetime: *mut u32,
) -> u32 {
    acquire(minor, name, time, mechanisms, usage, credential, actual, lifetime)
}

extern "C" fn inquire_credential(
    minor: *mut u32,
    _: Handle,
    name: *mut Handle,
    _: *mut u32,
    _: *mut c_int,
    _: *mut Handle,
) -> u32 {
    if let Some(owner) = script(|script| script.owner) {
        put_text(name, owner);
    }
    status_of("owner", minor)
}

extern "C" fn initiate(
    minor: *mut u32,
    _: Handle,
    context: *mut Handle,
    _: Handle,
    _: *const RawOid,
    flags: u32,
    _: u32,
    bindings: *const Bindings,
    _: *const Buffer,
    mechanism: *mut *const RawOid,
    token: *mut Buffer,
    actual_flags: *mut u32,
    _: *mut u32,
) -> u32 {
    // SAFETY: the caller lends live bindings, or none.
    let bindings = unsafe { bindings.as_ref() }.map(|bindings| {
        let data = bindings.application_data;
        octets(&data).to_vec()
    });
    let initiation = script(|script| {
        script.steps.push((flags, bindings));
        script.initiations.pop_front().expect("a step that the test knows of")
    });
    // SAFETY: the caller lends the place of a context.
    if unsafe { context.read() }.is_null() {
        put_text(context, "a context");
    }
    if !initiation.token.is_empty() {
        put_octets(token, &initiation.token);
    }
    if let Some(oid) = initiation.mechanism {
        // The library keeps its identifiers.
        put(mechanism, Box::leak(Box::new(Oid(oid).raw())));
    }
    put(actual_flags, initiation.flags);
    put(minor, initiation.minor);
    initiation.major
}

extern "C" fn inquire_context(
    minor: *mut u32,
    _: Handle,
    initiator: *mut Handle,
    _: *mut Handle,
    _: *mut u32,
    _: *mut *const RawOid,
    _: *mut u32,
    _: *mut c_int,
    _: *mut c_int,
) -> u32 {
    if let Some(name) = script(|script| script.initiator) {
        put_text(initiator, name);
    }
    status_of("initiator", minor)
}

extern "C" fn display_status(
    minor: *mut u32,
    status: u32,
    kind: c_int,
    _: *const RawOid,
    context: *mut u32,
    text: *mut Buffer,
) -> u32 {
    const GSS_CODE: c_int = 1;
    let what = if kind == GSS_CODE { "major" } else { "minor" };
    // SAFETY: the caller lends a live place.
    let number = unsafe { context.read() } + 1;
    put_octets(text, format!(" {what} {status}\nmessage {number}\n").as_bytes());
    put(context, if number < script(|script| script.messages) { number } else { 0 });
    status_of(what, minor)
}

extern "C" fn mic(minor: *mut u32, _: Handle, _: u32, message: *const Buffer, mic: *mut Buffer) -> u32 {
    put_octets(mic, &code(octets(message)));
    status_of("mic", minor)
}

extern "C" fn verify(
    minor: *mut u32,
    _: Handle,
    message: *const Buffer,
    mic: *const Buffer,
    _: *mut u32,
) -> u32 {
    const BAD_SIGNATURE: u32 = 6 << 16;
    put(minor, 0);
    if octets(mic) == code(octets(message)) { 0 } else { BAD_SIGNATURE }
}
