//! Where programs connect.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use super::octets::Connected;

/// What a listener listens at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
}

/// A listener. That of a unix socket takes it away when it is dropped.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, Socket),
}

/// Who has connected, as far as the connection tells.
#[derive(Clone, Copy, Debug)]
pub(super) enum Peer {
    Tcp {
        #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux tells whose it is"))]
        peer: SocketAddr,
        own: SocketAddr,
    },
    #[cfg(unix)]
    Unix { user: Option<u32> },
}

impl Address {
    /// Whether it can be reached from this machine only.
    pub(super) fn is_this_machines(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            #[cfg(unix)]
            Self::Unix(_) => true,
        }
    }

    /// What a browser keeps cookies by.
    pub(super) fn host(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip().to_canonical()),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if let Some(path) = text.strip_prefix("unix:") {
            #[cfg(unix)]
            if !path.is_empty() {
                return Ok(Self::Unix(path.into()));
            }
            let _ = path;
            return Err(if cfg!(unix) {
                "there is no path after unix:"
            } else {
                "there are no unix sockets here"
            });
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            "it is an address with a port, such as 127.0.0.1:3128, or unix: with a path, such as unix:/run/user/1000/gateway"
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Listener {
    pub(crate) async fn bind(address: &Address) -> io::Result<Self> {
        Ok(match address {
            Address::Tcp(address) => Self::Tcp(TcpListener::bind(address).await?),
            #[cfg(unix)]
            Address::Unix(path) => {
                let (listener, socket) = Socket::bind(path)?;
                Self::Unix(listener, socket)
            }
        })
    }

    /// Where it listens indeed: its port is known.
    pub(crate) fn address(&self) -> io::Result<Address> {
        Ok(match self {
            Self::Tcp(listener) => Address::Tcp(listener.local_addr()?),
            #[cfg(unix)]
            Self::Unix(_, socket) => Address::Unix(socket.path.clone()),
        })
    }

    /// The next connection. Where the system has none to give, such as without a free descriptor, it is
    /// asked again after a while.
    pub(super) async fn accept(&self) -> (Connected, Peer) {
        loop {
            match self.try_accept().await {
                Ok(accepted) => return accepted,
                // The peer has gone already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn try_accept(&self) -> io::Result<(Connected, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Of a connection that has ended already there is nothing to tell.
                let gone = |_| io::Error::from(io::ErrorKind::ConnectionAborted);
                let own = stream.local_addr().map_err(gone)?;
                stream.set_nodelay(true).map_err(gone)?;
                Ok((Box::new(stream), Peer::Tcp { peer, own }))
            }
            #[cfg(unix)]
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let user = stream.peer_cred().ok().map(|peer| peer.uid());
                Ok((Box::new(stream), Peer::Unix { user }))
            }
        }
    }
}

/// A socket in the file system, gone with this unless another has taken its place.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    /// Device and number.
    file: (u64, u64),
}

#[cfg(unix)]
impl Socket {
    /// Only this user may connect. What an earlier process has left behind is taken away.
    fn bind(path: &Path) -> io::Result<(UnixListener, Self)> {
        use std::os::unix::fs::FileTypeExt;
        use std::os::unix::net::UnixStream;

        let is_left_behind = || {
            let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
            let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
            is_socket && UnixStream::connect(path).is_err_and(refused)
        };
        if is_left_behind() {
            std::fs::remove_file(path)?;
        }
        // From its first moment on: what the process writes at the same time is its own as well.
        let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
        let bound = UnixListener::bind(path);
        rustix::process::umask(mask);
        let listener = bound?;
        Ok((listener, Self { path: path.to_owned(), file: file_at(path)? }))
    }
}

#[cfg(unix)]
impl Drop for Socket {
    fn drop(&mut self) {
        if file_at(&self.path).is_ok_and(|file| file == self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Which file it is, by its device and number.
#[cfg(unix)]
fn file_at(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;

    let file = std::fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}
