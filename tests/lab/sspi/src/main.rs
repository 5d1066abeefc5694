//! `sspi-login URL USER@REALM MECHANISM [KDC]`: logs in by Kerberos of another maker, with the password in `LOGIN_PASSWORD`.
//! The mechanism is `kerberos` with the address of a KDC, `iakerb`, or `negotiate`, which is IAKERB inside SPNEGO.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sspi::network_client::NetworkClient;
use sspi::{
    AuthIdentity, BufferType, ClientRequestFlags, CredentialUse, Credentials, DataRepresentation, ErrorKind,
    Kerberos, KerberosConfig, Negotiate, NegotiateConfig, NetworkRequest, SecurityBuffer, SecurityStatus,
    Sspi, Username,
};

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (url, user, mechanism, kdc) = match &arguments[..] {
        [url, user, mechanism] => (url, user, mechanism, None),
        [url, user, mechanism, kdc] => (url, user, mechanism, Some(kdc)),
        _ => return Err("URL USER@REALM MECHANISM [KDC]".into()),
    };
    let identity =
        AuthIdentity { username: Username::parse(user)?, password: std::env::var("LOGIN_PASSWORD")?.into() };
    let here = "client.test".to_owned();
    let mut server = Server::connect(url)?;
    match (mechanism.as_str(), kdc) {
        ("kerberos", Some(kdc)) => {
            let config = KerberosConfig::new_with_kdc_url(&format!("tcp://{kdc}"), here);
            log_in(Kerberos::new_client_from_config(config)?, identity, &mut server)
        }
        ("iakerb", None) => {
            let config = KerberosConfig::new_with_iakerb(here);
            log_in(Kerberos::new_client_from_config(config)?, identity, &mut server)
        }
        ("negotiate", None) => {
            let config = Box::new(KerberosConfig::new_with_iakerb(here.clone()));
            let config = NegotiateConfig::new(config, Some("!ntlm".to_owned()), here);
            log_in(Negotiate::new_client(config)?, identity, &mut server)
        }
        _ => Err(format!("unknown mechanism {mechanism}").into()),
    }
}

/// Legs until the server lets in, and the client has seen its proof.
fn log_in<P>(mut package: P, identity: AuthIdentity, server: &mut Server) -> Result<(), Failure>
where
    P: Sspi<AuthenticationData = Credentials, CredentialsHandle = Option<sspi::CredentialsBuffers>>,
{
    let acquired = package
        .acquire_credentials_handle()
        .with_credential_use(CredentialUse::Outbound)
        .with_auth_data(&identity.into())
        .execute(&mut package)?;
    let mut credentials = acquired.credentials_handle;
    let mut received = Vec::new();
    loop {
        let mut input = [SecurityBuffer::new(received, BufferType::Token)];
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let mut builder = package
            .initialize_security_context()
            .with_credentials_handle(&mut credentials)
            .with_context_requirements(ClientRequestFlags::MUTUAL_AUTH)
            .with_target_data_representation(DataRepresentation::Native)
            .with_target_name("HTTP/localhost")
            .with_input(&mut input)
            .with_output(&mut output);
        let stepped = package.initialize_security_context_impl(&mut builder)?.resolve_with_client(&Tcp)?;
        let token = std::mem::take(&mut output[0].buffer);
        if token.is_empty() {
            let proven = stepped.status == SecurityStatus::Ok && server.lets_in;
            println!(
                "{}, {}",
                if server.lets_in { "let in" } else { "not let in" },
                if proven { "mutual" } else { "unproven" }
            );
            return if proven { Ok(()) } else { Err("not logged in".into()) };
        }
        received = server.leg(&token)?;
    }
}

/// What is logged in at: one connection.
struct Server {
    stream: BufReader<TcpStream>,
    address: String,
    path: String,
    lets_in: bool,
}

impl Server {
    fn connect(url: &str) -> Result<Self, Failure> {
        let (address, path) =
            url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("no URL")?;
        let stream = BufReader::new(TcpStream::connect(address)?);
        Ok(Self { stream, address: address.to_owned(), path: path.to_owned(), lets_in: false })
    }

    /// Sends a token; gives that of the answer, or none.
    fn leg(&mut self, token: &[u8]) -> Result<Vec<u8>, Failure> {
        let (Self { address, path, .. }, token) = (&*self, BASE64_STANDARD.encode(token));
        let request =
            format!("GET /{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Negotiate {token}\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        let (mut line, mut length, mut answer) = (String::new(), 0, Vec::new());
        self.stream.read_line(&mut line)?;
        self.lets_in = line.starts_with("HTTP/1.1 200 ");
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse()?,
                "www-authenticate" => {
                    answer =
                        BASE64_STANDARD.decode(value.strip_prefix("Negotiate").ok_or("no token")?.trim())?
                }
                _ => (),
            }
        }
        self.stream.read_exact(&mut vec![0; length])?;
        Ok(answer)
    }
}

/// A KDC over TCP: the length of each message is in front of it already.
struct Tcp;

impl NetworkClient for Tcp {
    fn send(&self, request: &NetworkRequest) -> sspi::Result<Vec<u8>> {
        let failure =
            |error: std::io::Error| sspi::Error::new(ErrorKind::NoAuthenticatingAuthority, error.to_string());
        let address = request.url.socket_addrs(|| Some(88)).map_err(failure)?;
        let mut stream = TcpStream::connect(&*address).map_err(failure)?;
        stream.write_all(&request.data).map_err(failure)?;
        let mut answer = vec![0; 4];
        stream.read_exact(&mut answer).map_err(failure)?;
        let length = u32::from_be_bytes([answer[0], answer[1], answer[2], answer[3]]) as usize;
        answer.resize(4 + length, 0);
        stream.read_exact(&mut answer[4..]).map_err(failure)?;
        Ok(answer)
    }
}
