//! Windows' security support provider interface (`sspi.h`, in secur32.dll). All unsafe code is here;
//! what leaves this file is safe to use, and gives back what it holds of the system's when it is
//! dropped.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use windows_sys::Win32::Foundation::{
    SEC_E_INVALID_HANDLE, SEC_E_OK, SEC_I_COMPLETE_AND_CONTINUE, SEC_I_COMPLETE_NEEDED, SEC_I_CONTINUE_NEEDED,
};
use windows_sys::Win32::Security::Authentication::Identity::{
    AcquireCredentialsHandleW, CompleteAuthToken, DeleteSecurityContext, FreeContextBuffer,
    FreeCredentialsHandle, ISC_REQ_ALLOCATE_MEMORY, ISC_REQ_CONNECTION, InitializeSecurityContextW,
    MakeSignature, QueryContextAttributesW, QueryCredentialsAttributesW, SEC_CHANNEL_BINDINGS,
    SEC_WINNT_AUTH_IDENTITY_EXW, SEC_WINNT_AUTH_IDENTITY_VERSION, SECBUFFER_CHANNEL_BINDINGS, SECBUFFER_DATA,
    SECBUFFER_TOKEN, SECBUFFER_VERSION, SECPKG_ATTR_FLAGS, SECPKG_ATTR_NEGOTIATION_INFO, SECPKG_ATTR_SIZES,
    SECPKG_CRED_ATTR_NAMES, SECPKG_CRED_OUTBOUND, SECURITY_NATIVE_DREP, SecBuffer, SecBufferDesc,
    SecPkgContext_Flags, SecPkgContext_NegotiationInfoW, SecPkgContext_Sizes, SecPkgCredentials_NamesW,
    VerifySignature,
};
use windows_sys::Win32::Security::Credentials::SecHandle;
use windows_sys::Win32::System::Rpc::{SEC_WINNT_AUTH_IDENTITY_UNICODE, SEC_WINNT_AUTH_IDENTITY_W};
use windows_sys::core::{HRESULT, PCWSTR};
use windows_sys::w;
use zeroize::Zeroizing;

/// A security package of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Package {
    Negotiate,
    /// Negotiate, told to leave NTLM out.
    NegotiateWithoutNtlm,
    Kerberos,
    Ntlm,
}

impl Package {
    fn name(self) -> PCWSTR {
        match self {
            Self::Negotiate | Self::NegotiateWithoutNtlm => w!("Negotiate"),
            Self::Kerberos => w!("Kerberos"),
            Self::Ntlm => w!("NTLM"),
        }
    }

    /// Which packages it may use, where it is told.
    fn list(self) -> Option<Text> {
        (self == Self::NegotiateWithoutNtlm).then(|| Text::new("!ntlm"))
    }
}

/// The status of a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SspiFailure(pub(super) HRESULT);

fn check(status: HRESULT) -> Result<(), SspiFailure> {
    match status {
        SEC_E_OK => Ok(()),
        failed => Err(SspiFailure(failed)),
    }
}

/// A text in UTF-16 that ends in NUL, wiped when it is dropped: passwords go this way too.
pub(super) struct Text(Zeroizing<Vec<u16>>);

impl Text {
    pub(super) fn new(text: &str) -> Self {
        // UTF-16 never has more code units than UTF-8 has octets; so nothing is left behind by growing.
        let mut units = Zeroizing::new(Vec::with_capacity(text.len() + 1));
        units.extend(text.encode_utf16());
        units.push(0);
        Self(units)
    }

    fn as_ptr(&self) -> *const u16 {
        self.0.as_ptr()
    }

    /// In code units, without the NUL.
    fn length(&self) -> u32 {
        (self.0.len() - 1) as u32
    }
}

/// Who logs in by a password.
pub(super) struct Identity {
    pub(super) user: Text,
    pub(super) domain: Text,
    pub(super) password: Text,
}

impl Identity {
    /// Lent to a call that only reads it, for as long as the call takes.
    fn lent(&self) -> SEC_WINNT_AUTH_IDENTITY_W {
        SEC_WINNT_AUTH_IDENTITY_W {
            User: self.user.as_ptr().cast_mut(),
            UserLength: self.user.length(),
            Domain: self.domain.as_ptr().cast_mut(),
            DomainLength: self.domain.length(),
            Password: self.password.as_ptr().cast_mut(),
            PasswordLength: self.password.length(),
            Flags: SEC_WINNT_AUTH_IDENTITY_UNICODE,
        }
    }
}

/// `SEC_WINNT_AUTH_IDENTITY_EXW`, which says besides who logs in which packages Negotiate may use; without an
/// identity, it is the user who runs the program. Both are lent to a call that only reads them.
pub(super) fn lent_with_list(identity: Option<&Identity>, list: &Text) -> SEC_WINNT_AUTH_IDENTITY_EXW {
    let who = identity.map(Identity::lent).unwrap_or_default();
    SEC_WINNT_AUTH_IDENTITY_EXW {
        Version: SEC_WINNT_AUTH_IDENTITY_VERSION,
        Length: size_of::<SEC_WINNT_AUTH_IDENTITY_EXW>() as u32,
        User: who.User,
        UserLength: who.UserLength,
        Domain: who.Domain,
        DomainLength: who.DomainLength,
        Password: who.Password,
        PasswordLength: who.PasswordLength,
        Flags: SEC_WINNT_AUTH_IDENTITY_UNICODE,
        PackageList: list.as_ptr().cast_mut(),
        PackageListLength: list.length(),
    }
}

/// Credentials of an initiator. They belong to no thread, and several contexts may use them at once.
pub(super) struct Credential {
    handle: SecHandle,
    #[cfg(test)]
    _counted: held::Counted,
}

impl Credential {
    /// Those of this identity, else of the user who runs the program.
    pub(super) fn acquire(package: Package, identity: Option<&Identity>) -> Result<Self, SspiFailure> {
        let list = package.list();
        let with_list = list.as_ref().map(|list| lent_with_list(identity, list));
        let plain = identity.map(Identity::lent);
        let data: *const c_void = match (&with_list, &plain) {
            (Some(with_list), _) => ptr::from_ref(with_list).cast(),
            (None, Some(plain)) => ptr::from_ref(plain).cast(),
            (None, None) => ptr::null(),
        };
        let (mut handle, mut expiry) = (SecHandle::default(), 0);
        // SAFETY: the package's name ends in NUL; the data is null, or an identity that holds texts of the
        // lengths that it says, which outlive the call and are copied; handle and expiry are live places; the
        // rest is null, as the call allows.
        let status = unsafe {
            AcquireCredentialsHandleW(
                ptr::null(),
                package.name(),
                SECPKG_CRED_OUTBOUND,
                ptr::null(),
                data,
                None,
                ptr::null(),
                &mut handle,
                &mut expiry,
            )
        };
        check(status)?;
        Ok(Self {
            handle,
            #[cfg(test)]
            _counted: held::Counted::new(),
        })
    }

    /// Whose they are.
    pub(super) fn name(&self) -> Option<String> {
        let mut names = SecPkgCredentials_NamesW::default();
        // SAFETY: the handle is live, and the place is of the type that this attribute has.
        let status = unsafe {
            QueryCredentialsAttributesW(
                &self.handle,
                SECPKG_CRED_ATTR_NAMES,
                ptr::from_mut(&mut names).cast(),
            )
        };
        check(status).ok()?;
        let name = Allocated::new(names.sUserName.cast());
        // SAFETY: the system allocated a text there that ends in NUL, and `name` still holds it.
        unsafe { text(name.at.cast()) }
    }
}

impl Drop for Credential {
    fn drop(&mut self) {
        // SAFETY: the handle is this value's own and is not used after this. No context of it is left
        // either, since each holds it.
        unsafe { FreeCredentialsHandle(&self.handle) };
    }
}

/// Memory that the system allocated for us.
struct Allocated {
    at: *mut c_void,
    #[cfg(test)]
    _counted: held::Counted,
}

impl Allocated {
    /// Takes over what a call has left in its place, which may be null.
    fn new(at: *mut c_void) -> Self {
        Self {
            at,
            #[cfg(test)]
            _counted: held::Counted::new(),
        }
    }
}

impl Drop for Allocated {
    fn drop(&mut self) {
        if !self.at.is_null() {
            // SAFETY: the system allocated it, it is this value's own and is not used after this.
            unsafe { FreeContextBuffer(self.at) };
        }
    }
}

/// Reads a text up to its NUL.
///
/// # Safety
///
/// `at` is null or points to code units that end in NUL and stay as they are for the call.
unsafe fn text(at: *const u16) -> Option<String> {
    if at.is_null() {
        return None;
    }
    let mut length = 0;
    // SAFETY: all before the NUL is there to be read, and the NUL itself.
    while unsafe { *at.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: as above.
    Some(String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(at, length) }))
}

/// What stays the same from step to step of a context.
pub(super) struct Setup {
    pub(super) target: Text,
    /// `ISC_REQ_…` beside those that every context has.
    pub(super) flags: u32,
    pub(super) bindings: Option<Bindings>,
}

/// `SEC_CHANNEL_BINDINGS`, and behind it the application data: RFC 5929's bindings have no addresses.
pub(super) struct Bindings {
    /// The structure is one of words.
    words: Vec<u32>,
    /// In octets.
    length: usize,
}

impl Bindings {
    pub(super) fn new(application_data: &[u8]) -> Self {
        const OFFSET: usize = size_of::<SEC_CHANNEL_BINDINGS>();
        // Address types, lengths and offsets of both ends; the data's length and offset.
        let mut words = vec![0, 0, 0, 0, 0, 0, application_data.len() as u32, OFFSET as u32];
        words.extend(application_data.chunks(4).map(|chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_ne_bytes(word)
        }));
        Self { words, length: OFFSET + application_data.len() }
    }

    /// Lent to a call that only reads them, for as long as the call takes.
    fn lent(&self) -> SecBuffer {
        SecBuffer {
            cbBuffer: self.length as u32,
            BufferType: SECBUFFER_CHANNEL_BINDINGS,
            pvBuffer: self.words.as_ptr().cast_mut().cast(),
        }
    }

    #[cfg(test)]
    pub(super) fn octets(&self) -> Vec<u8> {
        let octets = self.words.iter().copied().flat_map(u32::to_ne_bytes);
        octets.take(self.length).collect()
    }
}

/// Octets lent to a call that only reads them, for as long as the call takes.
fn lent(kind: u32, octets: &[u8]) -> SecBuffer {
    SecBuffer { cbBuffer: octets.len() as u32, BufferType: kind, pvBuffer: octets.as_ptr().cast_mut().cast() }
}

/// The description of these buffers, for a call that they outlive.
fn describe(buffers: &mut [SecBuffer]) -> SecBufferDesc {
    SecBufferDesc {
        ulVersion: SECBUFFER_VERSION,
        cBuffers: buffers.len() as u32,
        pBuffers: buffers.as_mut_ptr(),
    }
}

/// A security context. It belongs to no thread; that two use it at once, `&mut self` rules out.
pub(super) struct Context {
    credential: Arc<Credential>,
    /// Made by the first step.
    handle: Option<SecHandle>,
    /// How many integrity codes were made and verified.
    made: u32,
    verified: u32,
    #[cfg(test)]
    _counted: held::Counted,
}

/// What a step came to.
pub(super) struct Initiated {
    pub(super) token: Vec<u8>,
    pub(super) is_complete: bool,
}

impl Context {
    pub(super) fn new(credential: Arc<Credential>) -> Self {
        Self {
            credential,
            handle: None,
            made: 0,
            verified: 0,
            #[cfg(test)]
            _counted: held::Counted::new(),
        }
    }

    /// `InitializeSecurityContextW`, and `CompleteAuthToken` where it asks for that.
    pub(super) fn step(&mut self, setup: &Setup, input: Option<&[u8]>) -> Result<Initiated, SspiFailure> {
        // The bindings go with every call: Kerberos wants them in the first, NTLM in the second.
        let token = input.map(|token| lent(SECBUFFER_TOKEN, token));
        let bindings = setup.bindings.as_ref().map(Bindings::lent);
        let mut inputs: Vec<_> = token.into_iter().chain(bindings).collect();
        let input = describe(&mut inputs);
        let mut outputs = [SecBuffer { cbBuffer: 0, BufferType: SECBUFFER_TOKEN, pvBuffer: ptr::null_mut() }];
        let mut output = describe(&mut outputs);
        let mut handle = self.handle.unwrap_or_default();
        let (mut attributes, mut expiry) = (0, 0);
        // SAFETY: the credentials are live; the context is null at first, and this value's own after
        // that; the target's name ends in NUL; the buffers are described as they are and outlive the
        // call, which allocates what it puts out; the other pointers are to live places.
        let status = unsafe {
            InitializeSecurityContextW(
                &self.credential.handle,
                self.handle.as_ref().map_or(ptr::null(), ptr::from_ref),
                setup.target.as_ptr(),
                setup.flags | ISC_REQ_CONNECTION | ISC_REQ_ALLOCATE_MEMORY,
                0,
                SECURITY_NATIVE_DREP,
                if inputs.is_empty() { ptr::null() } else { &input },
                0,
                &mut handle,
                &mut output,
                &mut attributes,
                &mut expiry,
            )
        };
        // A failed call may make a token as well.
        let allocated = Allocated::new(outputs[0].pvBuffer);
        // A call that fails makes no context, and leaves one that was there to be deleted.
        if status >= 0 {
            self.handle = Some(handle);
        }
        let (to_complete, is_complete) = match status {
            SEC_E_OK => (false, true),
            SEC_I_CONTINUE_NEEDED => (false, false),
            SEC_I_COMPLETE_NEEDED => (true, true),
            SEC_I_COMPLETE_AND_CONTINUE => (true, false),
            failed => return Err(SspiFailure(failed)),
        };
        if to_complete {
            // SAFETY: the context is live, and the token is the one that it has just made.
            check(unsafe { CompleteAuthToken(&handle, &output) })?;
        }
        if allocated.at.is_null() {
            return Ok(Initiated { token: Vec::new(), is_complete });
        }
        // SAFETY: the system says that so many octets are there, and `allocated` still holds them.
        let token =
            unsafe { std::slice::from_raw_parts(allocated.at.cast::<u8>(), outputs[0].cbBuffer as usize) };
        Ok(Initiated { token: token.to_vec(), is_complete })
    }

    /// What the context has of the flags that were asked for: `ISC_RET_…`.
    pub(super) fn flags(&self) -> u32 {
        let mut flags = SecPkgContext_Flags::default();
        // SAFETY: the type is that of the attribute.
        match unsafe { self.query(SECPKG_ATTR_FLAGS, &mut flags) } {
            Ok(()) => flags.Flags,
            Err(_) => 0,
        }
    }

    /// The package that Negotiate has chosen, or the context's own.
    pub(super) fn package(&self) -> Option<String> {
        let mut info = SecPkgContext_NegotiationInfoW::default();
        // SAFETY: the type is that of the attribute.
        unsafe { self.query(SECPKG_ATTR_NEGOTIATION_INFO, &mut info) }.ok()?;
        let allocated = Allocated::new(info.PackageInfo.cast());
        // SAFETY: the system left null or a description there, and `allocated` holds it.
        let package = unsafe { info.PackageInfo.as_ref() }?;
        // SAFETY: the name is part of what was allocated, and ends in NUL.
        let name = unsafe { text(package.Name) };
        drop(allocated);
        name
    }

    /// `MakeSignature`, with the default protection.
    pub(super) fn mic(&mut self, message: &[u8]) -> Result<Vec<u8>, SspiFailure> {
        let handle = self.handle.ok_or(SspiFailure(SEC_E_INVALID_HANDLE))?;
        let mut sizes = SecPkgContext_Sizes::default();
        // SAFETY: the type is that of the attribute.
        unsafe { self.query(SECPKG_ATTR_SIZES, &mut sizes) }?;
        let mut mic = vec![0; sizes.cbMaxSignature as usize];
        let token = SecBuffer {
            cbBuffer: sizes.cbMaxSignature,
            BufferType: SECBUFFER_TOKEN,
            pvBuffer: mic.as_mut_ptr().cast(),
        };
        let mut buffers = [lent(SECBUFFER_DATA, message), token];
        // SAFETY: the context is established; the message is only read, and the code is written into
        // a buffer as long as it says; both outlive the call.
        check(unsafe { MakeSignature(&handle, 0, &describe(&mut buffers), self.made) })?;
        self.made += 1;
        mic.truncate(buffers[1].cbBuffer as usize);
        Ok(mic)
    }

    /// `VerifySignature`.
    pub(super) fn verify(&mut self, message: &[u8], mic: &[u8]) -> Result<(), SspiFailure> {
        let handle = self.handle.ok_or(SspiFailure(SEC_E_INVALID_HANDLE))?;
        let mut buffers = [lent(SECBUFFER_DATA, message), lent(SECBUFFER_TOKEN, mic)];
        let mut protection = 0;
        // SAFETY: as in `mic`; both buffers are only read.
        check(unsafe { VerifySignature(&handle, &describe(&mut buffers), self.verified, &mut protection) })?;
        self.verified += 1;
        Ok(())
    }

    /// `QueryContextAttributesW`.
    ///
    /// # Safety
    ///
    /// `T` is the type of this attribute.
    unsafe fn query<T>(&self, attribute: u32, value: &mut T) -> Result<(), SspiFailure> {
        let handle = self.handle.ok_or(SspiFailure(SEC_E_INVALID_HANDLE))?;
        // SAFETY: the context is live, and the place is of the type that this attribute has.
        check(unsafe { QueryContextAttributesW(&handle, attribute, ptr::from_mut(value).cast()) })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            // SAFETY: the context is this value's own and is not used after this.
            unsafe { DeleteSecurityContext(handle) };
        }
    }
}

/// How much is held of the system's, for the tests.
#[cfg(test)]
pub(super) mod held {
    use std::cell::Cell;

    thread_local! {
        static HELD: Cell<isize> = const { Cell::new(0) };
    }

    /// What this thread has got and not given back: handles and memory.
    pub(crate) fn count() -> isize {
        HELD.get()
    }

    /// Stands beside what is held.
    pub(super) struct Counted;

    impl Counted {
        pub(super) fn new() -> Self {
            HELD.set(HELD.get() + 1);
            Self
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            HELD.set(HELD.get() - 1);
        }
    }
}
