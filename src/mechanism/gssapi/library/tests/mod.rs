pub(in crate::mechanism::gssapi) mod fake;

use self::fake::{CONTINUE, FAILURE, Initiation, script};
use super::*;

fn live() -> usize {
    script(|script| script.live)
}

/// What a library says to a status, and how many messages it has for each.
fn words_of(messages: u32, minor: u32, failing: &[&'static str]) -> String {
    let library = fake::library();
    script(|script| {
        script.messages = messages;
        script.failing.extend(failing);
    });
    let words = library.failure(FAILURE, minor, Oid::KERBEROS).words;
    assert_eq!(live(), 0, "the library's texts go back to it");
    words
}

#[test]
fn the_words_of_a_failure_are_the_mechanisms_and_else_the_majors() {
    assert_eq!(words_of(1, 7, &[]), "minor 7 message 1");
    assert_eq!(words_of(1, 0, &[]), "major 851968 message 1");
    assert_eq!(words_of(1, 7, &["minor"]), "major 851968 message 1");
    assert_eq!(words_of(1, 7, &["minor", "major"]), "");
    assert_eq!(words_of(2, 7, &[]), "minor 7 message 1; minor 7 message 2");
}

#[test]
fn a_library_that_does_not_stop_talking_is_interrupted() {
    let words = words_of(u32::MAX, 7, &[]);
    assert_eq!(words.matches("message").count(), 8, "{words}");
}

#[test]
fn what_the_library_made_goes_back_to_it() {
    let library = fake::library();
    script(|script| {
        script.owner = Some("alice@LAB.TEST");
        let token = b"a token".to_vec();
        script.initiations.push_back(Initiation { major: CONTINUE, token, ..Initiation::default() });
    });
    let target = Name::import(&library, "HTTP@host", Oid::HOSTBASED_SERVICE).expect("a name");
    assert_eq!(target.display().as_deref(), Some("HTTP@host"));
    assert_eq!(live(), 1);
    let credential = Credential::acquire(&library, Some(&target), Oid::KERBEROS).ok().expect("credentials");
    assert_eq!(credential.principal().as_deref(), Some("alice@LAB.TEST"));
    assert_eq!(live(), 2);
    let credential = Arc::new(credential);
    let setup = Setup { credential, target, mechanism: Oid::KERBEROS, flags: 0, bindings: None };
    let mut context = Context::new(&library);
    let initiated = context.step(&setup, None).expect("a step");
    assert_eq!((initiated.token.as_slice(), initiated.is_complete), (b"a token".as_slice(), false));
    assert_eq!(live(), 3);
    drop(context);
    assert_eq!(live(), 2);
    drop(setup);
    assert_eq!(live(), 0);
    // A context that never began is nothing of the library's.
    drop(Context::new(&library));
    assert_eq!(live(), 0);
}

#[test]
fn a_step_is_through_unless_the_library_says_that_it_goes_on() {
    /// `GSS_S_OLD_TOKEN`, which is no error.
    const OLD_TOKEN: u32 = 4;
    for (major, is_complete) in
        [(0, true), (CONTINUE, false), (OLD_TOKEN, true), (OLD_TOKEN | CONTINUE, false)]
    {
        let library = fake::library();
        script(|script| {
            let mechanism = Some(oid::KERBEROS);
            let initiation = Initiation { major, flags: flag::MUTUAL, mechanism, ..Initiation::default() };
            script.initiations.push_back(initiation);
        });
        let target = Name::import(&library, "HTTP@host", Oid::HOSTBASED_SERVICE).expect("a name");
        let credential = Credential::acquire(&library, None, Oid::KERBEROS).ok().expect("credentials");
        let bindings = Some(b"tls-unique:".as_slice().into());
        let (credential, flags) = (Arc::new(credential), flag::MUTUAL | flag::INTEGRITY);
        let setup = Setup { credential, target, mechanism: Oid::KERBEROS, flags, bindings };
        let initiated = Context::new(&library).step(&setup, None).expect("no error");
        assert_eq!(initiated.is_complete, is_complete, "{major}");
        assert_eq!(initiated.flags, flag::MUTUAL);
        assert_eq!(initiated.mechanism.as_deref(), Some(oid::KERBEROS));
        let steps = script(|script| script.steps.clone());
        assert_eq!(steps, [(flags, Some(b"tls-unique:".to_vec()))]);
    }
}

#[test]
fn a_mechanism_that_the_library_does_not_name_is_none() {
    let nameless = RawOid { length: 0, elements: ptr::null() };
    assert_eq!(static_oid(&nameless), None);
    assert_eq!(static_oid(ptr::null()), None);
    assert_eq!(static_oid(&Oid::SPNEGO.raw()).as_deref(), Some(oid::SPNEGO));
}

#[test]
fn an_owner_without_a_name_or_one_that_cannot_be_shown_is_nobody() {
    let library = fake::library();
    let credential = Credential::acquire(&library, None, Oid::KERBEROS).ok().expect("credentials");
    assert_eq!(credential.owner().expect("GSS_C_NO_NAME").display(), None);
    assert_eq!(Context::new(&library).initiator(), None);

    script(|script| {
        script.owner = Some("alice@LAB.TEST");
        script.initiator = Some("alice@LAB.TEST");
    });
    assert_eq!(Context::new(&library).initiator().as_deref(), Some("alice@LAB.TEST"));
    script(|script| script.failing.extend(["owner", "initiator"]));
    assert_eq!(credential.owner().err().expect("no owner").words, "minor 7 message 1");
    assert_eq!(credential.principal(), None);
    assert_eq!(Context::new(&library).initiator(), None);

    script(|script| script.failing = ["display"].into());
    assert_eq!(credential.principal(), None);
    drop(credential);
    assert_eq!(live(), 0, "also what came of calls that failed");
}

#[test]
fn what_the_library_refuses_is_told_in_its_words() {
    let library = fake::library();
    script(|script| script.failing.extend(["import", "acquire"]));
    let failure = Name::import(&library, "alice", Oid::USER_NAME).err().expect("refused");
    assert_eq!((failure.routine_error(), failure.minor), (13, 7));
    assert_eq!(failure.words, "minor 7 message 1");
    let error = Credential::acquire_with_password(&library, None, "alice-pw", Oid::KERBEROS).err();
    let Some(AcquireError::Failed(failure)) = error else { panic!("refused") };
    assert_eq!(failure.words, "minor 7 message 1");
    assert_eq!(live(), 0);
}

#[test]
fn what_a_library_cannot_do_is_named() {
    let store = Store { cache: Some("FILE:/cache".into()), client_keytab: None };
    let mut library = fake::unshared_library();
    library.acquire_with_password = None;
    let library = Arc::new(library);
    let by_password = Credential::acquire_with_password(&library, None, "alice-pw", Oid::KERBEROS);
    let by_store = Credential::acquire_from(&library, None, &store, Oid::KERBEROS);
    for (result, function) in
        [(by_password, "gss_acquire_cred_with_password"), (by_store, "gss_acquire_cred_from")]
    {
        let Err(AcquireError::Unsupported(what)) = result else { panic!("{function} is not there") };
        assert!(what.contains(function), "{what}");
    }
}

#[test]
fn a_code_holds_for_its_message_only() {
    let library = fake::library();
    let mut context = Context::new(&library);
    let code = context.mic(b"one").expect("a code");
    context.verify(b"one", &code).expect("its own");
    let failure = context.verify(b"two", &code).expect_err("of another message");
    assert_eq!(failure.words, "major 393216 message 1");
    script(|script| script.failing.extend(["mic"]));
    assert_eq!(context.mic(b"one").expect_err("no code").words, "minor 7 message 1");
    assert_eq!(live(), 0);
}

/// How many of libkrb5's things a caller has to give back.
mod krb5 {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        pub(super) static LIVE: Cell<i32> = const { Cell::new(0) };
        /// The number of the call that fails, counted from 1.
        pub(super) static FAILS_AT: Cell<i32> = const { Cell::new(0) };
        static CALLS: Cell<i32> = const { Cell::new(0) };
    }

    fn call() -> i32 {
        CALLS.set(CALLS.get() + 1);
        let fails = CALLS.get() == FAILS_AT.get();
        if !fails {
            LIVE.set(LIVE.get() + 1);
        }
        i32::from(fails)
    }

    extern "C" fn init(_: *mut Handle) -> i32 {
        CALLS.set(0);
        call()
    }

    extern "C" fn free_context(_: Handle) {
        LIVE.set(LIVE.get() - 1);
    }

    extern "C" fn principal(
        _: Handle,
        host: *const c_char,
        service: *const c_char,
        kind: i32,
        _: *mut Handle,
    ) -> i32 {
        // SAFETY: the caller lends strings that end in NUL.
        let names = [host, service].map(|name| unsafe { CStr::from_ptr(name) });
        assert_eq!((names, kind), ([c"host", c"HTTP"], NAME_TYPE_UNKNOWN));
        call()
    }

    extern "C" fn free(_: Handle, _: Handle) {
        LIVE.set(LIVE.get() - 1);
    }

    extern "C" fn unparse(_: Handle, _: Handle, text: *mut *mut c_char) -> i32 {
        // SAFETY: the caller lends a live place, and changes nothing of the text.
        unsafe { text.write(c"HTTP/host@LAB.TEST".as_ptr().cast_mut()) };
        call()
    }

    extern "C" fn free_text(_: Handle, _: *mut c_char) {
        LIVE.set(LIVE.get() - 1);
    }

    pub(super) fn functions() -> HostPrincipals {
        HostPrincipals {
            krb5_init_context: init,
            krb5_free_context: free_context,
            krb5_sname_to_principal: principal,
            krb5_free_principal: free,
            krb5_unparse_name: unparse,
            krb5_free_unparsed_name: free_text,
        }
    }
}

#[test]
fn a_host_has_no_principal_where_libkrb5_fails_and_nothing_is_left_behind() {
    let mut library = fake::unshared_library();
    assert_eq!(library.host_principal("HTTP", "host"), None, "there is no libkrb5");
    library.host_principals = Some(krb5::functions());
    assert_eq!(library.host_principal("HTTP", "host").as_deref(), Some("HTTP/host@LAB.TEST"));
    assert_eq!(library.host_principal("HTTP", "ho\0st"), None);
    for fails_at in 1..=3 {
        krb5::FAILS_AT.set(fails_at);
        assert_eq!(library.host_principal("HTTP", "host"), None, "call {fails_at}");
        assert_eq!(krb5::LIVE.get(), 0, "call {fails_at}");
    }
}

#[test]
fn a_library_is_known_by_its_name() {
    assert_eq!(format!("{:?}", fake::library()), "Library(\"libfake.so\")");
    assert_eq!(fake::gssapi(Oid::KERBEROS).open().expect("it is open"), "libfake.so");
}
