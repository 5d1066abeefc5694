//! Whose a connection on this machine is, by Linux' sock_diag(7).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const TCP: u8 = 6;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TCP_LISTEN: u8 = 10;

/// struct nlmsghdr.
const HEADER: usize = 16;
/// struct inet_diag_sockid, without the interface and the cookie.
const ID: usize = 36;
/// Where it stands in struct inet_diag_msg.
const ID_IN_ANSWER: usize = HEADER + 4;
/// struct nlmsghdr and struct inet_diag_msg.
const ANSWER: usize = HEADER + 72;

/// Whether the kernel can be asked.
pub(super) fn is_told() -> bool {
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    of(nobody, nobody).is_ok()
}

/// The user whose socket the far end of a connection is; `None` where there is none any more.
pub(super) fn of(peer: SocketAddr, own: SocketAddr) -> io::Result<Option<u32>> {
    let (question, id) = question(peer, own);
    let diag = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    send(&diag, &question, SendFlags::empty())?;
    let mut answer = [0; 1024];
    let (_, length) = recv(&diag, &mut answer, RecvFlags::empty())?;
    read(answer.get(..length).unwrap_or_default(), &id)
}

/// struct nlmsghdr and struct inet_diag_req_v2, of the socket that is bound to `peer` and connected to `own`.
fn question(peer: SocketAddr, own: SocketAddr) -> ([u8; HEADER + 56], [u8; ID]) {
    let (peer_ip, own_ip) = (peer.ip().to_canonical(), own.ip().to_canonical());
    let mut id = [0; ID];
    id[..2].copy_from_slice(&peer.port().to_be_bytes());
    id[2..4].copy_from_slice(&own.port().to_be_bytes());
    for (place, ip) in [(4, peer_ip), (20, own_ip)] {
        match ip {
            IpAddr::V4(ip) => id[place..place + 4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => id[place..place + 16].copy_from_slice(&ip.octets()),
        }
    }
    let mut question = [0; HEADER + 56];
    let length = question.len() as u32;
    question[..4].copy_from_slice(&length.to_ne_bytes());
    question[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    question[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    let request = &mut question[HEADER..];
    request[0] = if peer_ip.is_ipv4() { AF_INET } else { AF_INET6 };
    request[1] = TCP;
    // In whichever state, at whichever interface, with whichever cookie.
    request[4..8].fill(0xff);
    request[8..8 + ID].copy_from_slice(&id);
    request[48..56].fill(0xff);
    (question, id)
}

/// The same ports and IPv4 addresses, these mapped into IPv6.
fn mapped(id: &[u8; ID]) -> Option<[u8; ID]> {
    let mut mapped = *id;
    for place in [4, 20] {
        let (ip, rest) = id[place..place + 16].split_at(4);
        if rest.iter().any(|octet| *octet != 0) {
            return None;
        }
        let ip: [u8; 4] = ip.try_into().ok()?;
        mapped[place..place + 16].copy_from_slice(&Ipv4Addr::from(ip).to_ipv6_mapped().octets());
    }
    Some(mapped)
}

fn read(answer: &[u8], id: &[u8; ID]) -> io::Result<Option<u32>> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let number = |place: usize| -> Option<u32> {
        Some(u32::from_ne_bytes(answer.get(place..place + 4)?.try_into().ok()?))
    };
    let kind = answer.get(4..6).and_then(|kind| kind.try_into().ok()).map(u16::from_ne_bytes);
    let kind = kind.ok_or_else(malformed)?;
    if kind == NLMSG_ERROR {
        let code = number(HEADER).ok_or_else(malformed)? as i32;
        return match Errno::from_raw_os_error(code.wrapping_neg()) {
            Errno::NOENT => Ok(None),
            error => Err(error.into()),
        };
    }
    if kind != SOCK_DIAG_BY_FAMILY || answer.len() < ANSWER {
        return Err(malformed());
    }
    // A socket of IPv6 that is connected to an IPv4 address has its addresses mapped in the answer.
    let found = &answer[ID_IN_ANSWER..ID_IN_ANSWER + ID];
    let is_found = found == id || answer[HEADER] == AF_INET6 && mapped(id).is_some_and(|id| found == id);
    // Where no connection is found, the kernel names a listener at the same port. And a socket that its process has
    // closed says 0 for its user, whoever that was; it has no inode.
    let is_asked_for = is_found && answer[HEADER + 1] != TCP_LISTEN;
    let (user, inode) = (number(ANSWER - 8), number(ANSWER - 4));
    Ok(user.filter(|_| is_asked_for && inode != Some(0)))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_is_its_users_until_it_is_closed() {
        for address in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let listener = TcpListener::bind(address).expect("a port");
            let port = listener.local_addr().expect("an address").port();
            let to = if address.starts_with("[::1]") {
                format!("[::1]:{port}")
            } else {
                format!("127.0.0.1:{port}")
            };
            let program = TcpStream::connect(to).expect("it listens");
            let (accepted, peer) = listener.accept().expect("a connection");
            let own = accepted.local_addr().expect("an address");
            let me = rustix::process::geteuid().as_raw();
            assert_eq!(of(peer, own).expect("an answer"), Some(me), "{address}");
            // Whose connection it is has nothing to do with what it still sends.
            program.shutdown(std::net::Shutdown::Write).expect("it is open");
            assert_eq!(of(peer, own).expect("an answer"), Some(me), "{address}");
            // A socket that nobody holds is nobody's, root's neither.
            drop(program);
            assert_eq!(of(peer, own).expect("an answer"), None, "{address}");
        }
    }

    // Java's, and any other's that speaks both by one socket.
    #[test]
    fn a_socket_of_ipv6_that_is_connected_to_an_ipv4_address_is_its_users_too() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut to = listener.local_addr().expect("an address");
        to.set_ip(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into());
        let program = rustix::net::socket(AddressFamily::INET6, SocketType::STREAM, None).expect("a socket");
        rustix::net::sockopt::set_ipv6_v6only(&program, false).expect("both");
        rustix::net::connect(&program, &to).expect("it listens");
        let (accepted, peer) = listener.accept().expect("a connection");
        let own = accepted.local_addr().expect("an address");
        let me = rustix::process::geteuid().as_raw();
        assert_eq!(of(peer, own).expect("an answer"), Some(me));
        drop(program);
        assert_eq!(of(peer, own).expect("an answer"), None);
    }

    #[test]
    fn an_address_of_ipv6_is_not_mapped() {
        let (_, id) = question("[::1]:1".parse().expect("it is one"), "[::1]:2".parse().expect("it is one"));
        assert_eq!(mapped(&id), None);
    }

    #[test]
    fn a_listener_is_no_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        assert_eq!(of(address, SocketAddr::from((Ipv4Addr::LOCALHOST, 1))).expect("an answer"), None);
    }

    #[test]
    fn half_an_answer_is_none() {
        let id = [0; ID];
        for length in 0..ANSWER {
            let mut answer = vec![0; length];
            if length >= 6 {
                answer[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
            }
            read(&answer, &id).expect_err("half");
        }
    }
}
