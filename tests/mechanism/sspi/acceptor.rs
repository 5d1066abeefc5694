//! The accepting side of SSPI, in this process. It lets in whom the system knows: a local user, or
//! under wine whoever has the password that `tests/windows/run` gives.
#![allow(unsafe_code, reason = "the accepting side of SSPI, for tests alone")]

use std::ptr;

use legwork::testing::{Accept, Acceptor};
use windows_sys::Win32::Foundation::{SEC_E_OK, SEC_I_CONTINUE_NEEDED};
use windows_sys::Win32::Security::Authentication::Identity::{
    ASC_REQ_CONNECTION, ASC_REQ_INTEGRITY, AcceptSecurityContext, AcquireCredentialsHandleW,
    DeleteSecurityContext, FreeContextBuffer, FreeCredentialsHandle, QueryContextAttributesW,
    SECBUFFER_TOKEN, SECBUFFER_VERSION, SECPKG_ATTR_NAMES, SECPKG_CRED_INBOUND, SECURITY_NATIVE_DREP,
    SecBuffer, SecBufferDesc, SecPkgContext_NamesW,
};
use windows_sys::Win32::Security::Credentials::SecHandle;

pub(crate) struct SspiAcceptor {
    credential: SecHandle,
    context: Option<SecHandle>,
}

// SAFETY: handles of SSPI belong to no thread; that two use them at once, `&mut self` rules out.
unsafe impl Send for SspiAcceptor {}

impl SspiAcceptor {
    pub(crate) fn new(package: &str) -> Self {
        let package: Vec<u16> = package.encode_utf16().chain([0]).collect();
        let (mut credential, mut expiry) = (SecHandle::default(), 0);
        // SAFETY: the package's name ends in NUL, and both places are live.
        let status = unsafe {
            AcquireCredentialsHandleW(
                ptr::null(),
                package.as_ptr(),
                SECPKG_CRED_INBOUND,
                ptr::null(),
                ptr::null(),
                None,
                ptr::null(),
                &mut credential,
                &mut expiry,
            )
        };
        assert_eq!(status, SEC_E_OK, "the system accepts nobody: {status:#x}");
        Self { credential, context: None }
    }

    /// Whom the context was established with, as far as the system says.
    fn user(&self) -> String {
        let mut names = SecPkgContext_NamesW::default();
        let Some(context) = self.context else { return String::new() };
        // SAFETY: the context is live, and the place is of the type that this attribute has.
        let status =
            unsafe { QueryContextAttributesW(&context, SECPKG_ATTR_NAMES, ptr::from_mut(&mut names).cast()) };
        if status != SEC_E_OK || names.sUserName.is_null() {
            return String::new();
        }
        let mut units = Vec::new();
        // SAFETY: the text ends in NUL.
        while let unit @ 1.. = unsafe { *names.sUserName.add(units.len()) } {
            units.push(unit);
        }
        // SAFETY: the system allocated it, and it is not used after this.
        unsafe { FreeContextBuffer(names.sUserName.cast()) };
        String::from_utf16_lossy(&units)
    }
}

impl Acceptor for SspiAcceptor {
    fn step(&mut self, token: &[u8]) -> Accept {
        let mut inputs = [SecBuffer {
            cbBuffer: token.len() as u32,
            BufferType: SECBUFFER_TOKEN,
            pvBuffer: token.as_ptr().cast_mut().cast(),
        }];
        // Longer than any token of the packages.
        let mut answer = vec![0_u8; 0x10000];
        let mut outputs = [SecBuffer {
            cbBuffer: answer.len() as u32,
            BufferType: SECBUFFER_TOKEN,
            pvBuffer: answer.as_mut_ptr().cast(),
        }];
        let describe = |buffers: &mut [SecBuffer; 1]| SecBufferDesc {
            ulVersion: SECBUFFER_VERSION,
            cBuffers: 1,
            pBuffers: buffers.as_mut_ptr(),
        };
        let (input, mut output) = (describe(&mut inputs), describe(&mut outputs));
        let mut handle = self.context.unwrap_or_default();
        let (mut attributes, mut expiry) = (0, 0);
        // SAFETY: the credentials are live, and the context where there is one; the buffers are as long
        // as they say and outlive the call.
        let status = unsafe {
            AcceptSecurityContext(
                &self.credential,
                self.context.as_ref().map_or(ptr::null(), ptr::from_ref),
                &input,
                ASC_REQ_CONNECTION | ASC_REQ_INTEGRITY,
                SECURITY_NATIVE_DREP,
                &mut handle,
                &mut output,
                &mut attributes,
                &mut expiry,
            )
        };
        if status >= 0 {
            self.context = Some(handle);
        }
        answer.truncate(outputs[0].cbBuffer as usize);
        let answer = Some(answer).filter(|answer| status >= 0 && !answer.is_empty());
        match status {
            SEC_I_CONTINUE_NEEDED => Accept::Continue(answer.expect("a token to go on with")),
            SEC_E_OK => Accept::Accepted { user: self.user(), token: answer, integrity: None },
            failed => Accept::Refused { why: format!("SSPI {failed:#x}"), token: answer },
        }
    }
}

impl Drop for SspiAcceptor {
    fn drop(&mut self) {
        if let Some(context) = &self.context {
            // SAFETY: the context is this value's own and is not used after this.
            unsafe { DeleteSecurityContext(context) };
        }
        // SAFETY: as above, and its context is gone.
        unsafe { FreeCredentialsHandle(&self.credential) };
    }
}
