//! Programs that know of no login, and squid, which wants one.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::folder::Folder;
use crate::gateway::Gateway;
use crate::lab::lab;
use crate::squid::Log;

/// Where to, and who is logged in there.
type Upstream = (&'static str, &'static str);

const NTLM: Upstream = ("SQUID_NTLM", "LAB\\carol");
const NEGOTIATE: Upstream = ("SQUID_NEGOTIATE", "LAB\\carol");
const BY_TLS: Upstream = ("SQUID_TLS", "LAB\\carol");
const KERBEROS: Upstream = ("SQUID_KERBEROS", "alice@LAB.TEST");
const BASIC: Upstream = ("SQUID_BASIC", "user");
const DIGEST: Upstream = ("SQUID_DIGEST", "user");

const BY_EACH_SCHEME: [Upstream; 5] = [BASIC, DIGEST, NTLM, NEGOTIATE, KERBEROS];

/// Stands before the gateway, and keeps what programs send there.
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

/// By which programs are found, rustc among them.
const KEPT: [&str; 3] = ["PATH", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];

/// A program whose only way out is the proxy, and whose home is the folder: nothing of the user's
/// own settings.
struct Programs<'a> {
    /// Apache, by a name that only squid knows.
    site: &'a str,
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
        format!("{}{path}", self.site)
    }

    fn scheme(&self) -> &str {
        self.site.split(':').next().unwrap_or_default()
    }

    fn authorities(&self) -> &'static str {
        lab("CA_BUNDLE")
    }
}

/// Runs programs that want something of this host, which squid alone knows.
async fn behind_squid(host: &str, upstreams: &[Upstream], programs: impl Fn(&Programs<'_>)) {
    for apache in ["APACHE_HTTP", "APACHE_HTTPS"] {
        let site = lab(apache).replace("localhost", host);
        let authority = site.rsplit('/').next().expect("an authority");
        for &(upstream, user) in upstreams {
            let log = Log::of(authority);
            let folder = Folder::new(host);
            let arguments = ["--listen", "127.0.0.1:0", "--proxy", lab(upstream)];
            let gateway = match (upstream, user) {
                KERBEROS => Gateway::of_alice(&arguments),
                BASIC | DIGEST => {
                    let arguments =
                        [&arguments[..], &["--ca", lab("CA_BUNDLE"), "--insecure-basic"]].concat();
                    Gateway::of(lab("BASIC_USER"), lab("BASIC_PASSWORD"), &arguments)
                }
                _ => Gateway::of_carol(&arguments),
            };
            let tap = Tap::before(gateway.address).await;
            programs(&Programs { site: &site, folder: &folder, proxy: tap.address });
            assert_eq!(gateway.stop().code(), Some(0), "{upstream}");

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
    let upstreams = [&BY_EACH_SCHEME[..], &[BY_TLS]].concat();
    behind_squid("curl.lab.test", &upstreams, |programs| {
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
        let sum = programs.run(programs.command("md5sum").arg("octets"));
        let wanted = format!("md5={}", sum.split(' ').next().expect("a sum"));
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
    behind_squid("cargo.lab.test", &BY_EACH_SCHEME, |programs| {
        let index = programs.uri(&format!("/files/registry-{}/", programs.scheme()));
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
    behind_squid("pip.lab.test", &BY_EACH_SCHEME, |programs| {
        let mut pip = programs.command("/usr/bin/python3");
        pip.args(["-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "--no-input"]);
        pip.args(["download", "--no-deps", "--retries", "0", "--cert", programs.authorities()]);
        if programs.scheme() == "http" {
            pip.args(["--trusted-host", "pip.lab.test"]);
        }
        programs.run(pip.args(["--index-url", &programs.uri("/files/simple/"), "lab-hello"]));
        let wheel = std::fs::metadata(programs.folder.0.join("lab_hello-0.1.0-py3-none-any.whl"));
        assert!(wheel.expect("a file").len() > 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn uv_installs() {
    behind_squid("uv.lab.test", &BY_EACH_SCHEME, |programs| {
        let mut uv = programs.command(lab("UV"));
        uv.args(["pip", "install", "--no-config", "--no-cache", "--quiet", "--python", "/usr/bin/python3"]);
        uv.args(["--target", "installed", "--index-url", &programs.uri("/files/simple/"), "lab-hello"]);
        programs.run(uv.env("SSL_CERT_FILE", programs.authorities()).env("UV_HTTP_RETRIES", "0"));
        assert_eq!(programs.folder.read("installed/lab_hello.py"), "\"\"\"Hello from a wheel.\"\"\"\n");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn npm_installs() {
    behind_squid("npm.lab.test", &BY_EACH_SCHEME, |programs| {
        let mut npm = programs.command("npm");
        let registry = programs.uri(&format!("/files/npm-{}/", programs.scheme()));
        npm.args(["install", "--no-audit", "--no-fund", "--no-update-notifier", "--fetch-retries", "0"]);
        npm.args(["--cafile", programs.authorities(), "--registry", &registry, "lab-hello"]);
        programs.run(&mut npm);
        assert_eq!(programs.folder.read("node_modules/lab-hello/index.js"), "// Hello from a package.\n");
    })
    .await;
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn a_name_of_a_realm_and_its_password_log_in_by_kerberos() {
    let arguments = ["--listen", "127.0.0.1:0", "--proxy", lab("SQUID_KERBEROS")];
    let gateway = Gateway::of(lab("KRB5_USER"), lab("KRB5_PASSWORD"), &arguments);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--noproxy", "", "--proxy"]);
    curl.arg(format!("http://{}", gateway.address)).arg(format!("{}/files/hello.txt", lab("APACHE_HTTP")));
    let output = curl.output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello from a file\n", "{output:?}");
}
