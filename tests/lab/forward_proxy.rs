//! The example `forward_proxy` between programs that know of no login and squid, which wants one.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use md5::{Digest, Md5};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::bodies::hex;
use crate::executable::executable;
use crate::squid::Log;
use crate::support::*;

/// Where to, and who is logged in there.
type Upstream = (&'static str, &'static str);

const NTLM: Upstream = ("SQUID_NTLM", "LAB\\carol");
const NEGOTIATE: Upstream = ("SQUID_NEGOTIATE", "LAB\\carol");
const BY_TLS: Upstream = ("SQUID_TLS", "LAB\\carol");
const KERBEROS: Upstream = ("SQUID_KERBEROS", "alice@LAB.TEST");

/// The example as a process.
struct ForwardProxy {
    process: Child,
    /// It writes more than is read.
    _stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl ForwardProxy {
    fn start(site: &Site, upstream: &str) -> Self {
        let mut command = Command::new(executable("forward_proxy"));
        command.args(["--listen", "127.0.0.1:0", "--ca", site.value("CA_BUNDLE"), site.value(upstream)]);
        if upstream == KERBEROS.0 {
            command.arg("--ticket").env("KRB5CCNAME", site.value("CCACHE"));
        } else {
            command.args(["--user", site.value("NTLM_USER")]);
            command.env("FORWARD_PROXY_PASSWORD", site.value("NTLM_PASSWORD"));
        }
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut said = String::new();
        stdout.read_line(&mut said).expect("UTF-8");
        let address = said.trim_end().strip_prefix("listening on ").and_then(|address| address.parse().ok());
        Self { process, _stdout: stdout, address: address.unwrap_or_else(|| panic!("{said}")) }
    }

    fn stop(mut self) -> ExitStatus {
        let kill = format!("kill -TERM {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
        self.process.wait().expect("it ends")
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Stands before the forward proxy, and keeps what programs send there.
struct Tap {
    address: SocketAddr,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    async fn before(proxy: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it listens");
        let sent = Arc::<Mutex<Vec<u8>>>::default();
        let heard = Arc::clone(&sent);
        tokio::spawn(async move {
            while let Ok((program, _)) = listener.accept().await {
                tokio::spawn(pass(program, proxy, Arc::clone(&heard)));
            }
        });
        Self { address, sent }
    }

    /// In lower case; what went through tunnels is among it.
    fn sent(&self) -> String {
        String::from_utf8_lossy(&self.sent.lock().expect("no panic")).to_lowercase()
    }
}

async fn pass(program: TcpStream, proxy: SocketAddr, heard: Arc<Mutex<Vec<u8>>>) -> std::io::Result<()> {
    let (mut from_program, mut to_program) = program.into_split();
    let (mut from_proxy, mut to_proxy) = TcpStream::connect(proxy).await?.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_proxy, &mut to_program).await });
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let octets = from_program.read(&mut buffer).await?;
        if octets == 0 {
            return to_proxy.shutdown().await;
        }
        heard.lock().expect("no panic").extend_from_slice(&buffer[..octets]);
        to_proxy.write_all(&buffer[..octets]).await?;
    }
}

/// An empty folder, gone with this.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("legwork-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn read(&self, file: impl AsRef<Path>) -> String {
        let path = self.0.join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// By which programs are found, rustc among them.
const KEPT: [&str; 3] = ["PATH", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];

/// A program whose only way out is the proxy, and whose home is the folder: nothing of the user's
/// own settings.
struct Programs<'a> {
    site: &'a Site,
    folder: &'a Folder,
    proxy: SocketAddr,
}

impl Programs<'_> {
    fn command(&self, name: impl AsRef<std::ffi::OsStr>) -> Command {
        let proxy = format!("http://{}", self.proxy);
        let mut command = Command::new(name);
        command.current_dir(&self.folder.0).env_clear().env("HOME", &self.folder.0);
        command.envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.env("http_proxy", &proxy).env("https_proxy", &proxy);
        command
    }

    fn run(&self, command: &mut Command) -> String {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn uri(&self, path: &str) -> String {
        self.site.uri(path).to_string()
    }

    fn authorities(&self) -> &'static str {
        self.site.value("CA_BUNDLE")
    }
}

/// Runs programs that want something of this host, which squid alone knows.
async fn behind_squid(host: &str, upstreams: &[Upstream], programs: impl Fn(&Programs<'_>)) {
    for site in sites() {
        let site = site.at_host(host);
        for &(upstream, user) in upstreams {
            let log = Log::of(&site);
            let folder = Folder::new(host);
            let proxy = ForwardProxy::start(&site, upstream);
            let tap = Tap::before(proxy.address).await;
            programs(&Programs { site: &site, folder: &folder, proxy: tap.address });
            assert_eq!(proxy.stop().code(), Some(0), "{upstream}");

            let sent = tap.sent();
            assert!(!sent.contains("authorization:"), "{upstream}: {sent}");
            let (tunnel, request) = (format!("connect {host}:"), format!(" http://{host}:"));
            let asked = sent.matches(&tunnel).count() + sent.matches(&request).count();
            assert!(asked > 0, "{upstream}: {sent}");
            let legs = log.got_through(asked).await;
            let mut beyond_login = legs.iter().filter(|leg| leg.status != 407);
            assert!(beyond_login.all(|leg| leg.user == user), "{upstream}: {legs:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn curl_uploads_and_downloads() {
    behind_squid("curl.lab.test", &[NTLM, NEGOTIATE, BY_TLS, KERBEROS], |programs| {
        let curl = || {
            let mut curl = programs.command("curl");
            curl.args(["--silent", "--show-error", "--fail", "--cacert", programs.authorities()]);
            curl
        };
        // First, so that the login comes before a body that is too large to be sent twice.
        let octets: Vec<_> = (0..3_000_000_u32).map(|i| (i / 7) as u8).collect();
        std::fs::write(programs.folder.0.join("octets"), &octets).expect("written");
        let posted =
            programs.run(curl().args(["--data-binary", "@octets"]).arg(programs.uri("/files/upload")));
        let wanted = format!("md5={}", hex(&Md5::digest(&octets)));
        assert!(posted.lines().any(|line| line == wanted), "{posted}");

        let text = programs.run(curl().arg(programs.uri("/files/hello.txt")));
        assert_eq!(text, "hello from a file\n");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn git_clones() {
    behind_squid("git.lab.test", &[NTLM, NEGOTIATE], |programs| {
        let mut git = programs.command("git");
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_SSL_CAINFO", programs.authorities());
        programs.run(git.args(["clone", &programs.uri("/files/repository.git"), "clone"]));
        assert_eq!(programs.folder.read("clone/hello.txt"), "hello from a repository\n");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn cargo_fetches() {
    behind_squid("cargo.lab.test", &[NTLM, NEGOTIATE], |programs| {
        let index = programs.uri(&format!("/files/registry-{}/", programs.site.scheme));
        let manifest = "[package]\nname = 'wants-hello'\nversion = '0.1.0'\nedition = '2021'\n\
                        [dependencies]\nlab-hello = { version = '0.1', registry = 'lab' }\n";
        std::fs::create_dir_all(programs.folder.0.join("src")).expect("a folder");
        std::fs::write(programs.folder.0.join("src/lib.rs"), "").expect("written");
        std::fs::write(programs.folder.0.join("Cargo.toml"), manifest).expect("written");
        let mut cargo = programs.command("cargo");
        cargo.env("CARGO_HOME", programs.folder.0.join("cargo")).env("CARGO_NET_RETRY", "0");
        cargo.env("CARGO_HTTP_CAINFO", programs.authorities());
        cargo.env("CARGO_REGISTRIES_LAB_INDEX", format!("sparse+{index}"));
        programs.run(cargo.arg("fetch"));
        let sources = std::fs::read_dir(programs.folder.0.join("cargo/registry/src")).expect("a folder");
        let sources = sources.map(|source| source.expect("a folder").path()).collect::<Vec<_>>();
        let library = programs.folder.read(sources[0].join("lab-hello-0.1.0/src/lib.rs"));
        assert_eq!(library, "//! Hello from a crate.\n");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn pip_downloads() {
    behind_squid("pip.lab.test", &[NTLM, NEGOTIATE], |programs| {
        let mut pip = programs.command("/usr/bin/python3");
        pip.args(["-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "--no-input"]);
        pip.args(["download", "--no-deps", "--retries", "0", "--cert", programs.authorities()]);
        if programs.site.scheme == "http" {
            pip.args(["--trusted-host", "pip.lab.test"]);
        }
        programs.run(pip.args(["--index-url", &programs.uri("/files/simple/"), "lab-hello"]));
        let wheel = std::fs::metadata(programs.folder.0.join("lab_hello-0.1.0-py3-none-any.whl"));
        assert!(wheel.expect("a file").len() > 0);
    })
    .await;
}
