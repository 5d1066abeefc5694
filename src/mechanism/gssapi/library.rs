//! The system's GSS-API library (RFC 2744), opened when it is first needed: nothing is linked, and
//! nothing is needed to build. All unsafe code is here; what leaves this file is safe to use.
//!
//! The ABI is that of MIT's `gssapi.h`. Heimdal and Apple's framework share it.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsString, c_char, c_int, c_void};
use std::fmt;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use crate::mechanism::oid;
use crate::mechanism::{ErrorKind, MechanismError};

/// What is looked for, in this order: MIT, Heimdal, Apple's framework.
const NAMES: &[&str] = &[
    "libgssapi_krb5.so.2",
    "libgssapi.so.3",
    "libgssapi.so",
    "/System/Library/Frameworks/GSS.framework/GSS",
];

type Handle = *mut c_void;

/// `gss_buffer_desc` (RFC 2744, section 3.2). Apple packs the structures for one processor.
#[cfg_attr(all(target_vendor = "apple", target_arch = "x86_64"), repr(C, packed(2)))]
#[cfg_attr(not(all(target_vendor = "apple", target_arch = "x86_64")), repr(C))]
#[derive(Clone, Copy)]
struct Buffer {
    length: usize,
    value: *mut c_void,
}

impl Buffer {
    const EMPTY: Self = Self { length: 0, value: ptr::null_mut() };

    /// Lent to a call that only reads it, for as long as the call takes.
    fn lent(octets: &[u8]) -> Self {
        Self { length: octets.len(), value: octets.as_ptr().cast_mut().cast() }
    }
}

/// `gss_OID_desc`.
#[cfg_attr(all(target_vendor = "apple", target_arch = "x86_64"), repr(C, packed(2)))]
#[cfg_attr(not(all(target_vendor = "apple", target_arch = "x86_64")), repr(C))]
#[derive(Clone, Copy)]
struct RawOid {
    length: u32,
    elements: *const c_void,
}

/// `gss_OID_set_desc`.
#[cfg_attr(all(target_vendor = "apple", target_arch = "x86_64"), repr(C, packed(2)))]
#[cfg_attr(not(all(target_vendor = "apple", target_arch = "x86_64")), repr(C))]
struct OidSet {
    count: usize,
    elements: *mut RawOid,
}

/// `gss_channel_bindings_struct`. RFC 5929's bindings have only application data.
#[cfg_attr(all(target_vendor = "apple", target_arch = "x86_64"), repr(C, packed(2)))]
#[cfg_attr(not(all(target_vendor = "apple", target_arch = "x86_64")), repr(C))]
struct Bindings {
    initiator_address_type: u32,
    initiator_address: Buffer,
    acceptor_address_type: u32,
    acceptor_address: Buffer,
    application_data: Buffer,
}

/// `gss_key_value_element_desc` of MIT's `gssapi_ext.h`.
#[repr(C)]
struct KeyValue {
    key: *const c_char,
    value: *const c_char,
}

/// `gss_key_value_set_desc`.
#[repr(C)]
struct KeyValueSet {
    count: u32,
    elements: *mut KeyValue,
}

macro_rules! functions {
    ($($(#[$meta:meta])* $name:ident: fn($($argument:ty),* $(,)?);)*) => {
        /// What every such library has.
        struct Functions { $($(#[$meta])* $name: unsafe extern "C" fn($($argument),*) -> u32,)* }

        impl Functions {
            fn find(library: &libloading::Library) -> Result<Self, libloading::Error> {
                Ok(Self {
                    // SAFETY: the symbol is the function of this name in a GSS-API library, whose
                    // prototype RFC 2744 gives. It stays valid, since the library is never closed.
                    $($name: *unsafe { library.get(concat!(stringify!($name), "\0").as_bytes()) }?,)*
                })
            }
        }
    };
}

functions! {
    gss_import_name: fn(*mut u32, *const Buffer, *const RawOid, *mut Handle);
    gss_display_name: fn(*mut u32, Handle, *mut Buffer, *mut *const RawOid);
    gss_release_name: fn(*mut u32, *mut Handle);
    gss_release_buffer: fn(*mut u32, *mut Buffer);
    gss_acquire_cred: fn(*mut u32, Handle, u32, *const OidSet, c_int, *mut Handle, *mut Handle, *mut u32);
    gss_inquire_cred: fn(*mut u32, Handle, *mut Handle, *mut u32, *mut c_int, *mut Handle);
    gss_release_cred: fn(*mut u32, *mut Handle);
    gss_init_sec_context: fn(
        *mut u32, Handle, *mut Handle, Handle, *const RawOid, u32, u32, *const Bindings, *const Buffer,
        *mut *const RawOid, *mut Buffer, *mut u32, *mut u32,
    );
    gss_inquire_context: fn(
        *mut u32, Handle, *mut Handle, *mut Handle, *mut u32, *mut *const RawOid, *mut u32, *mut c_int,
        *mut c_int,
    );
    gss_delete_sec_context: fn(*mut u32, *mut Handle, *mut Buffer);
    gss_display_status: fn(*mut u32, u32, c_int, *const RawOid, *mut u32, *mut Buffer);
    gss_get_mic: fn(*mut u32, Handle, u32, *const Buffer, *mut Buffer);
    gss_verify_mic: fn(*mut u32, Handle, *const Buffer, *const Buffer, *mut u32);
}

type AcquireWithPassword = unsafe extern "C" fn(
    *mut u32,
    Handle,
    *const Buffer,
    u32,
    *const OidSet,
    c_int,
    *mut Handle,
    *mut Handle,
    *mut u32,
) -> u32;

type AcquireFrom = unsafe extern "C" fn(
    *mut u32,
    Handle,
    u32,
    *const OidSet,
    c_int,
    *const KeyValueSet,
    *mut Handle,
    *mut Handle,
    *mut u32,
) -> u32;

/// Of libkrb5, on which the GSS-API library stands: a principal for a host, by the configuration's
/// realms and without DNS.
struct HostPrincipals {
    krb5_init_context: unsafe extern "C" fn(*mut Handle) -> i32,
    krb5_free_context: unsafe extern "C" fn(Handle),
    krb5_sname_to_principal:
        unsafe extern "C" fn(Handle, *const c_char, *const c_char, i32, *mut Handle) -> i32,
    krb5_free_principal: unsafe extern "C" fn(Handle, Handle),
    krb5_unparse_name: unsafe extern "C" fn(Handle, Handle, *mut *mut c_char) -> i32,
    krb5_free_unparsed_name: unsafe extern "C" fn(Handle, *mut c_char),
}

impl HostPrincipals {
    fn find(library: &libloading::Library) -> Option<Self> {
        // SAFETY: as `Functions::find`, with the prototypes of krb5.h; looking a symbol up through
        // the GSS-API library finds those of the libraries it depends on.
        unsafe {
            Some(Self {
                krb5_init_context: *library.get(b"krb5_init_context\0").ok()?,
                krb5_free_context: *library.get(b"krb5_free_context\0").ok()?,
                krb5_sname_to_principal: *library.get(b"krb5_sname_to_principal\0").ok()?,
                krb5_free_principal: *library.get(b"krb5_free_principal\0").ok()?,
                krb5_unparse_name: *library.get(b"krb5_unparse_name\0").ok()?,
                krb5_free_unparsed_name: *library.get(b"krb5_free_unparsed_name\0").ok()?,
            })
        }
    }
}

/// `KRB5_NT_UNKNOWN`: the host name is taken as it is.
const NAME_TYPE_UNKNOWN: i32 = 0;

/// A GSS-API library.
pub(super) struct Library {
    name: OsString,
    functions: Functions,
    acquire_with_password: Option<AcquireWithPassword>,
    acquire_from: Option<AcquireFrom>,
    host_principals: Option<HostPrincipals>,
}

impl Library {
    /// The library at `path`, else the first that the system has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`], naming what was looked for.
    pub(super) fn open(path: Option<&Path>) -> Result<Arc<Self>, MechanismError> {
        let names: Vec<OsString> = match path {
            Some(path) => vec![path.into()],
            None => NAMES.iter().map(Into::into).collect(),
        };
        // All are tried, also after one that is there and cannot be loaded: of another architecture, for instance,
        // beside one that can.
        let mut failures = Vec::new();
        for name in &names {
            match Self::load(name) {
                Ok(library) => return Ok(Arc::new(library)),
                Err(error) => failures.push(error.to_string()),
            }
        }
        let looked_for: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
        let message = match failures.as_slice() {
            [failure] => format!("no GSS-API library at {}: {failure}", looked_for[0]),
            _ => format!(
                "no GSS-API library: looked for {}. Debian has it in libgssapi-krb5-2, Fedora in krb5-libs, \
                 Alpine in krb5-libs",
                looked_for.join(", ")
            ),
        };
        Err(MechanismError::new(ErrorKind::Unavailable, message))
    }

    fn load(name: &OsString) -> Result<Self, libloading::Error> {
        // SAFETY: opening runs the library's initializers; those of a GSS-API library have no
        // preconditions. That a path given by the caller is such a library, the caller warrants.
        let library = unsafe { libloading::Library::new(name) }?;
        // All or nothing: a library without one of these is none, and to find that out in the middle of a login would
        // be worse.
        let functions = Functions::find(&library)?;
        // SAFETY: as `Functions::find`, by MIT's gssapi_ext.h.
        let acquire_with_password =
            unsafe { library.get(b"gss_acquire_cred_with_password\0") }.ok().map(|found| *found);
        // SAFETY: as above.
        let acquire_from = unsafe { library.get(b"gss_acquire_cred_from\0") }.ok().map(|found| *found);
        let host_principals = HostPrincipals::find(&library);
        // Never closed: the functions stay valid, and so does what the library keeps per thread.
        std::mem::forget(library);
        Ok(Self { name: name.clone(), functions, acquire_with_password, acquire_from, host_principals })
    }

    /// The file's name or path.
    pub(super) fn name(&self) -> &OsString {
        &self.name
    }

    /// What the library says to a failed call's status.
    fn failure(&self, major: u32, minor: u32, mechanism: Oid) -> GssapiFailure {
        const GSS_CODE: c_int = 1;
        const MECHANISM_CODE: c_int = 2;
        let mut words = self.words(minor, MECHANISM_CODE, mechanism);
        // The mechanism's words say what is wrong ("no credentials cache found"); the major status says only that
        // something is.
        if words.is_empty() || minor == 0 {
            words = self.words(major, GSS_CODE, mechanism);
        }
        GssapiFailure { major, minor, words }
    }

    fn words(&self, status: u32, kind: c_int, mechanism: Oid) -> String {
        let mut lines: Vec<String> = Vec::new();
        let mut context = 0;
        let raw = mechanism.raw();
        // A status that has as many messages as this is a library's mistake.
        for _ in 0..8 {
            let (mut minor, mut text) = (0, Buffer::EMPTY);
            // SAFETY: all pointers are to live values, and `context` is 0 at first and what the
            // previous call left in it after that.
            let major = unsafe {
                (self.functions.gss_display_status)(&mut minor, status, kind, &raw, &mut context, &mut text)
            };
            // Taken before the status is looked at: the buffer is the library's, and has to go back in any case.
            let text = self.take(&mut text);
            if is_error(major) {
                break;
            }
            lines.push(readable(&text));
            if context == 0 {
                break;
            }
        }
        lines.retain(|line| !line.is_empty());
        lines.join("; ")
    }

    /// Copies a buffer that the library made, and gives it back.
    fn take(&self, buffer: &mut Buffer) -> Vec<u8> {
        let (length, value) = (buffer.length, buffer.value);
        let octets = match value.is_null() {
            true => Vec::new(),
            // SAFETY: the library returned `length` octets at `value`, and they stay until the
            // buffer is released below.
            false => unsafe { std::slice::from_raw_parts(value.cast::<u8>(), length) }.to_vec(),
        };
        let mut minor = 0;
        // SAFETY: the buffer is the library's own or empty, and is not used after this.
        unsafe { (self.functions.gss_release_buffer)(&mut minor, buffer) };
        octets
    }

    /// The principal of a service at a host: its realm by the configuration, its host as it is.
    /// `None` where the library is built on no libkrb5, or cannot tell.
    pub(super) fn host_principal(&self, service: &str, host: &str) -> Option<String> {
        let krb5 = self.host_principals.as_ref()?;
        let (service, host) = (CString::new(service).ok()?, CString::new(host).ok()?);
        let mut context = ptr::null_mut();
        // SAFETY: `context` is a live place for the new context, which is used only in this function.
        if unsafe { (krb5.krb5_init_context)(&mut context) } != 0 {
            return None;
        }
        let mut principal = ptr::null_mut();
        let mut text = ptr::null_mut();
        // SAFETY: the context is live, the strings end in NUL, and `principal` is a live place.
        let made = unsafe {
            (krb5.krb5_sname_to_principal)(
                context,
                host.as_ptr(),
                service.as_ptr(),
                NAME_TYPE_UNKNOWN,
                &mut principal,
            )
        };
        // Each thing made below is freed in the reverse order, on every way out; an early return would leak it, so
        // there is none.
        let mut name = None;
        if made == 0 {
            // SAFETY: the principal was just made in this context, and `text` is a live place.
            if unsafe { (krb5.krb5_unparse_name)(context, principal, &mut text) } == 0 {
                // SAFETY: the call returned a string that ends in NUL.
                name = unsafe { CStr::from_ptr(text) }.to_str().ok().map(str::to_owned);
                // SAFETY: the string is this context's own and is not used after this.
                unsafe { (krb5.krb5_free_unparsed_name)(context, text) };
            }
            // SAFETY: the principal is this context's own and is not used after this.
            unsafe { (krb5.krb5_free_principal)(context, principal) };
        }
        // SAFETY: nothing of the context is left.
        unsafe { (krb5.krb5_free_context)(context) };
        name
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Library").field(&self.name).finish()
    }
}

/// Whether a major status is an error: a calling or a routine error (RFC 2744, section 3.9.1).
fn is_error(major: u32) -> bool {
    major & 0xffff_0000 != 0
}

/// What a peer or the library wrote, as one line.
fn readable(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let text = text.trim_matches(|c: char| c.is_control() || c.is_whitespace());
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A failed call.
#[derive(Clone, Debug)]
pub(super) struct GssapiFailure {
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) words: String,
}

impl GssapiFailure {
    /// Only the routine error (RFC 2744, section 3.9.1).
    pub(super) fn routine_error(&self) -> u32 {
        self.major >> 16 & 0xff
    }
}

/// An object identifier as DER content octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Oid(pub(super) &'static [u8]);

impl Oid {
    pub(super) const KERBEROS: Self = Self(oid::KERBEROS);
    pub(super) const SPNEGO: Self = Self(oid::SPNEGO);
    pub(super) const IAKERB: Self = Self(oid::IAKERB);
    /// `GSS_C_NT_HOSTBASED_SERVICE`, 1.2.840.113554.1.2.1.4.
    pub(super) const HOSTBASED_SERVICE: Self =
        Self(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x01, 0x04]);
    /// `GSS_C_NT_USER_NAME`, 1.2.840.113554.1.2.1.1.
    pub(super) const USER_NAME: Self = Self(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x01, 0x01]);
    /// `GSS_KRB5_NT_PRINCIPAL_NAME`, 1.2.840.113554.1.2.2.1 (RFC 1964, section 2.1.1).
    pub(super) const KERBEROS_PRINCIPAL: Self =
        Self(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02, 0x01]);

    fn raw(self) -> RawOid {
        RawOid { length: self.0.len() as u32, elements: self.0.as_ptr().cast() }
    }
}

/// A name of a user or a service.
pub(super) struct Name {
    library: Arc<Library>,
    handle: Handle,
}

// SAFETY: a name is not changed once it is made, and belongs to no thread.
unsafe impl Send for Name {}
// SAFETY: as above: calls only read it.
unsafe impl Sync for Name {}

impl Name {
    pub(super) fn import(library: &Arc<Library>, text: &str, kind: Oid) -> Result<Self, GssapiFailure> {
        let (mut minor, mut handle) = (0, ptr::null_mut());
        let (text, raw) = (Buffer::lent(text.as_bytes()), kind.raw());
        // SAFETY: all pointers are to values that outlive the call; the library copies the text.
        let major = unsafe { (library.functions.gss_import_name)(&mut minor, &text, &raw, &mut handle) };
        let name = Self { library: Arc::clone(library), handle };
        match is_error(major) {
            true => Err(library.failure(major, minor, Oid::KERBEROS)),
            false => Ok(name),
        }
    }

    /// The name as the library writes it; `None` for `GSS_C_NO_NAME`, too.
    pub(super) fn display(&self) -> Option<String> {
        if self.handle.is_null() {
            return None;
        }
        let (mut minor, mut text) = (0, Buffer::EMPTY);
        // SAFETY: the name is live, `text` is a live place, and the type is not asked for.
        let major = unsafe {
            (self.library.functions.gss_display_name)(&mut minor, self.handle, &mut text, ptr::null_mut())
        };
        let text = self.library.take(&mut text);
        (!is_error(major)).then(|| readable(&text))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: the name is this value's own and is not used after this.
            unsafe { (self.library.functions.gss_release_name)(&mut 0, &mut self.handle) };
        }
    }
}

/// Where credentials come from other than the default places.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    pub(super) cache: Option<String>,
    pub(super) client_keytab: Option<String>,
}

/// Why credentials could not be acquired.
pub(super) enum AcquireError {
    Failed(GssapiFailure),
    /// The library has no function for this.
    Unsupported(&'static str),
}

/// Credentials of an initiator.
pub(super) struct Credential {
    library: Arc<Library>,
    handle: Handle,
    /// How long they hold, in seconds, where that was asked for.
    pub(super) lifetime: u32,
}

// SAFETY: credentials belong to no thread.
unsafe impl Send for Credential {}
// SAFETY: MIT and Heimdal lock credentials in each call that changes them.
unsafe impl Sync for Credential {}

/// `GSS_C_INITIATE`.
const INITIATE: c_int = 1;

impl Credential {
    /// The system's, for this name or the default one.
    pub(super) fn acquire(
        library: &Arc<Library>,
        name: Option<&Name>,
        mechanism: Oid,
    ) -> Result<Self, AcquireError> {
        let (mut minor, mut handle, mut raw) = (0, ptr::null_mut(), mechanism.raw());
        let mechanisms = OidSet { count: 1, elements: &mut raw };
        let name = name.map_or(ptr::null_mut(), |name| name.handle);
        // SAFETY: the name is live or GSS_C_NO_NAME, the other pointers are to live values or null
        // where the call allows it.
        let major = unsafe {
            (library.functions.gss_acquire_cred)(
                &mut minor,
                name,
                0,
                &mechanisms,
                INITIATE,
                &mut handle,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        Self::made(library, handle, 0, (major, minor))
    }

    /// From this store.
    pub(super) fn acquire_from(
        library: &Arc<Library>,
        name: Option<&Name>,
        store: &Store,
        mechanism: Oid,
    ) -> Result<Self, AcquireError> {
        let Some(acquire_from) = library.acquire_from else {
            return Err(AcquireError::Unsupported("a named ticket cache or keytab (gss_acquire_cred_from)"));
        };
        let given = [(c"ccache", &store.cache), (c"client_keytab", &store.client_keytab)];
        let given: Vec<(&CStr, CString)> = given
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.as_ref()?)))
            .map(|(key, value)| CString::new(value.as_str()).map(|value| (key, value)))
            .collect::<Result<_, _>>()
            .map_err(|_| AcquireError::Unsupported("a name with a NUL octet"))?;
        let mut elements: Vec<KeyValue> =
            given.iter().map(|(key, value)| KeyValue { key: key.as_ptr(), value: value.as_ptr() }).collect();
        let set = KeyValueSet { count: elements.len() as u32, elements: elements.as_mut_ptr() };
        let (mut minor, mut handle, mut raw) = (0, ptr::null_mut(), mechanism.raw());
        let mechanisms = OidSet { count: 1, elements: &mut raw };
        let name = name.map_or(ptr::null_mut(), |name| name.handle);
        // SAFETY: as in `acquire`; the set's strings end in NUL and outlive the call.
        let major = unsafe {
            acquire_from(
                &mut minor,
                name,
                0,
                &mechanisms,
                INITIATE,
                &set,
                &mut handle,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        Self::made(library, handle, 0, (major, minor))
    }

    /// With a password, which is not in the result but for what the library keeps of it.
    pub(super) fn acquire_with_password(
        library: &Arc<Library>,
        name: Option<&Name>,
        password: &str,
        mechanism: Oid,
    ) -> Result<Self, AcquireError> {
        let Some(acquire_with_password) = library.acquire_with_password else {
            return Err(AcquireError::Unsupported("passwords (gss_acquire_cred_with_password)"));
        };
        let (mut minor, mut handle, mut raw) = (0, ptr::null_mut(), mechanism.raw());
        let mechanisms = OidSet { count: 1, elements: &mut raw };
        let name = name.map_or(ptr::null_mut(), |name| name.handle);
        let password = Buffer::lent(password.as_bytes());
        let mut lifetime = 0;
        // SAFETY: as in `acquire`; the library copies the password and wipes its copy.
        let major = unsafe {
            acquire_with_password(
                &mut minor,
                name,
                &password,
                0,
                &mechanisms,
                INITIATE,
                &mut handle,
                ptr::null_mut(),
                &mut lifetime,
            )
        };
        Self::made(library, handle, lifetime, (major, minor))
    }

    fn made(
        library: &Arc<Library>,
        handle: Handle,
        lifetime: u32,
        (major, minor): (u32, u32),
    ) -> Result<Self, AcquireError> {
        let credential = Self { library: Arc::clone(library), handle, lifetime };
        match is_error(major) {
            true => Err(AcquireError::Failed(library.failure(major, minor, Oid::KERBEROS))),
            false => Ok(credential),
        }
    }

    /// Whose they are. If no name was given, this makes the library choose a cache, unless the
    /// target of a context has chosen one before.
    ///
    /// By `gss_inquire_cred`, since MIT's SPNEGO lacks `gss_inquire_cred_by_mech`. The credentials
    /// are for one mechanism, which is the one that answers; SPNEGO asks the first one inside it.
    pub(super) fn owner(&self) -> Result<Name, GssapiFailure> {
        let (mut minor, mut handle) = (0, ptr::null_mut());
        // SAFETY: the credentials are live, `handle` is a live place, and the rest is not asked for.
        let major = unsafe {
            (self.library.functions.gss_inquire_cred)(
                &mut minor,
                self.handle,
                &mut handle,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        let name = Name { library: Arc::clone(&self.library), handle };
        match is_error(major) {
            true => Err(self.library.failure(major, minor, Oid::KERBEROS)),
            false => Ok(name),
        }
    }

    /// Their owner's name, as far as the library tells.
    pub(super) fn principal(&self) -> Option<String> {
        self.owner().ok()?.display()
    }
}

impl Drop for Credential {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: the credentials are this value's own and are not used after this.
            unsafe { (self.library.functions.gss_release_cred)(&mut 0, &mut self.handle) };
        }
    }
}

/// Context flags (RFC 2744, section 5.19; RFC 5896 for the last).
pub(super) mod flag {
    pub(crate) const DELEGATION: u32 = 1;
    pub(crate) const MUTUAL: u32 = 2;
    pub(crate) const INTEGRITY: u32 = 32;
    pub(crate) const DELEGATION_BY_POLICY: u32 = 0x8000;
}

/// What stays the same from step to step of a context.
pub(super) struct Setup {
    pub(super) credential: Arc<Credential>,
    pub(super) target: Name,
    pub(super) mechanism: Oid,
    pub(super) flags: u32,
    /// The application data of the channel bindings.
    pub(super) bindings: Option<Arc<[u8]>>,
}

/// A security context.
pub(super) struct Context {
    library: Arc<Library>,
    handle: Handle,
}

// SAFETY: a context belongs to no thread; that two use it at once, `&mut self` rules out.
unsafe impl Send for Context {}

/// What a step came to.
pub(super) struct Initiated {
    pub(super) token: Vec<u8>,
    pub(super) is_complete: bool,
    /// What the context has of the flags that were asked for.
    pub(super) flags: u32,
    /// The mechanism that is in use, where the library says it.
    pub(super) mechanism: Option<Vec<u8>>,
}

impl Context {
    pub(super) fn new(library: &Arc<Library>) -> Self {
        Self { library: Arc::clone(library), handle: ptr::null_mut() }
    }

    /// `gss_init_sec_context`.
    pub(super) fn step(&mut self, setup: &Setup, input: Option<&[u8]>) -> Result<Initiated, GssapiFailure> {
        let (mut minor, mut token, mut flags) = (0, Buffer::EMPTY, 0);
        let mechanism = setup.mechanism.raw();
        let mut actual: *const RawOid = ptr::null();
        let input = input.map(Buffer::lent);
        let bindings = setup.bindings.as_deref().map(|data| Bindings {
            initiator_address_type: 0,
            initiator_address: Buffer::EMPTY,
            acceptor_address_type: 0,
            acceptor_address: Buffer::EMPTY,
            application_data: Buffer::lent(data),
        });
        // SAFETY: credentials, context and target are live (the context is GSS_C_NO_CONTEXT at
        // first, and this value's own after that); the other pointers are to values that outlive
        // the call, or null where the call allows it.
        let major = unsafe {
            (self.library.functions.gss_init_sec_context)(
                &mut minor,
                setup.credential.handle,
                &mut self.handle,
                setup.target.handle,
                &mechanism,
                setup.flags,
                0,
                bindings.as_ref().map_or(ptr::null(), ptr::from_ref),
                input.as_ref().map_or(ptr::null(), ptr::from_ref),
                &mut actual,
                &mut token,
                &mut flags,
                ptr::null_mut(),
            )
        };
        // A failed call may make a token as well.
        let token = self.library.take(&mut token);
        if is_error(major) {
            return Err(self.library.failure(major, minor, setup.mechanism));
        }
        const CONTINUE_NEEDED: u32 = 1;
        Ok(Initiated {
            token,
            is_complete: major & CONTINUE_NEEDED == 0,
            flags,
            mechanism: static_oid(actual),
        })
    }

    /// Who has logged in with this context, once it is established and as far as the library tells.
    pub(super) fn initiator(&self) -> Option<String> {
        let (mut minor, mut handle) = (0, ptr::null_mut());
        // SAFETY: the context is live (null is GSS_C_NO_CONTEXT, an error), `handle` is a live
        // place, and the rest is not asked for.
        let major = unsafe {
            (self.library.functions.gss_inquire_context)(
                &mut minor,
                self.handle,
                &mut handle,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        let name = Name { library: Arc::clone(&self.library), handle };
        if is_error(major) { None } else { name.display() }
    }

    /// `gss_get_mic`, with the default protection.
    pub(super) fn mic(&mut self, message: &[u8]) -> Result<Vec<u8>, GssapiFailure> {
        let (mut minor, mut mic) = (0, Buffer::EMPTY);
        let message = Buffer::lent(message);
        // SAFETY: the context is established, and the pointers are to values that outlive the call.
        let major =
            unsafe { (self.library.functions.gss_get_mic)(&mut minor, self.handle, 0, &message, &mut mic) };
        let mic = self.library.take(&mut mic);
        match is_error(major) {
            true => Err(self.library.failure(major, minor, Oid::KERBEROS)),
            false => Ok(mic),
        }
    }

    /// `gss_verify_mic`.
    pub(super) fn verify(&mut self, message: &[u8], mic: &[u8]) -> Result<(), GssapiFailure> {
        let mut minor = 0;
        let (message, mic) = (Buffer::lent(message), Buffer::lent(mic));
        // SAFETY: as in `mic`; the protection is not asked for.
        let major = unsafe {
            (self.library.functions.gss_verify_mic)(&mut minor, self.handle, &message, &mic, ptr::null_mut())
        };
        match is_error(major) {
            true => Err(self.library.failure(major, minor, Oid::KERBEROS)),
            false => Ok(()),
        }
    }
}

/// Copies an identifier that the library keeps.
fn static_oid(oid: *const RawOid) -> Option<Vec<u8>> {
    // SAFETY: the library returned null or a pointer to an identifier of its own, which it never
    // changes (RFC 2744, section 5.19: "static read-only").
    let raw = unsafe { oid.as_ref() }?;
    let (length, elements) = (raw.length, raw.elements);
    if elements.is_null() {
        return None;
    }
    // SAFETY: as above: `length` octets are at `elements`.
    Some(unsafe { std::slice::from_raw_parts(elements.cast::<u8>(), length as usize) }.to_vec())
}

impl Drop for Context {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: the context is this value's own and is not used after this.
            unsafe {
                (self.library.functions.gss_delete_sec_context)(&mut 0, &mut self.handle, ptr::null_mut())
            };
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
