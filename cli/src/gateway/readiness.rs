//! Telling who has started the gateway as a service that it listens: sd_notify(3).

/// Says so where somebody wants to know. Whether it arrives is that one's affair.
pub(super) fn tell() {
    #[cfg(unix)]
    if let Some(socket) = std::env::var_os("NOTIFY_SOCKET") {
        let _ = unix::send(&socket, b"READY=1");
    }
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    pub(super) fn send(socket: &OsStr, state: &[u8]) -> io::Result<()> {
        UnixDatagram::unbound()?.send_to_addr(state, &address(socket)?)?;
        Ok(())
    }

    /// A path, or behind an @ a name that is in no folder.
    fn address(socket: &OsStr) -> io::Result<SocketAddr> {
        match socket.as_bytes() {
            #[cfg(target_os = "linux")]
            [b'@', name @ ..] => {
                use std::os::linux::net::SocketAddrExt;

                SocketAddr::from_abstract_name(name)
            }
            _ => SocketAddr::from_pathname(socket),
        }
    }

    #[cfg(all(test, target_os = "linux"))]
    mod tests {
        use super::*;

        #[test]
        fn it_arrives_at_a_name_that_is_in_no_folder() {
            let name = format!("@legwork-readiness-{}", std::process::id());
            let manager =
                UnixDatagram::bind_addr(&address(name.as_ref()).expect("a name")).expect("a socket");
            send(name.as_ref(), b"READY=1").expect("sent");
            let mut heard = [0; 16];
            let length = manager.recv(&mut heard).expect("heard");
            assert_eq!(&heard[..length], b"READY=1");
        }
    }
}
