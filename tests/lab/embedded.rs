//! MIT's own programs at the embedded KDC and server.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use legwork::mechanism::kerberos::EncryptionType;
use legwork::testing::{Kdc, Offer, Server};
use legwork::unversioned::testing::KdcFault;

/// What MIT's programs read and write, for one KDC.
struct Mit {
    directory: PathBuf,
}

impl Mit {
    fn told_of(kdc: &Kdc, test: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("legwork-embedded-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let configuration = format!(
            "[libdefaults]\n  default_realm = EMBEDDED.TEST\n  dns_lookup_kdc = false\n  dns_canonicalize_hostname = false\n\
             [realms]\n  EMBEDDED.TEST = {{\n    kdc = {}\n  }}\n[domain_realm]\n  localhost = EMBEDDED.TEST\n",
            kdc.address()
        );
        std::fs::write(directory.join("krb5.conf"), configuration).expect("written");
        Self { directory }
    }

    /// Runs a program to its end; gives whether it succeeded, and what it said.
    fn run(&self, program: &str, arguments: &[&str], input: &str) -> (bool, String) {
        let input_file = self.directory.join("input");
        std::fs::write(&input_file, input).expect("written");
        let input = std::fs::File::open(&input_file).expect("it was written");
        let output = Command::new(program)
            .args(arguments)
            .env("KRB5_CONFIG", self.directory.join("krb5.conf"))
            .env("KRB5CCNAME", self.directory.join("ccache"))
            .stdin(Stdio::from(input))
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

impl Drop for Mit {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn kinit_kvno_and_curl_log_in_by_each_encryption_type() {
    for etype in [
        EncryptionType::Aes128Sha1,
        EncryptionType::Aes256Sha1,
        EncryptionType::Aes128Sha256,
        EncryptionType::Aes256Sha384,
    ] {
        let kdc = Kdc::builder("EMBEDDED.TEST").user("erin", "erin-pw").service("HTTP/localhost");
        let kdc = kdc.encryption_types([etype]).start().await.expect("a port");
        let offer = Offer::kerberos(&kdc.service("HTTP/localhost"));
        let server = Server::builder().offer(offer).start().await.expect("a port");
        let mit = Mit::told_of(&kdc, &etype.to_string());

        let (wrong, said) = mit.run("kinit", &["erin"], "not-hers\n");
        assert!(!wrong && said.contains("Password incorrect"), "{etype}: {said}");
        assert_eq!(kdc.report().failures("erin"), 1, "{etype}");
        let (stranger, said) = mit.run("kinit", &["nobody"], "erin-pw\n");
        assert!(!stranger && said.contains("not found in Kerberos database"), "{etype}: {said}");

        let (granted, said) = mit.run("kinit", &["erin"], "erin-pw\n");
        assert!(granted, "{etype}: {said}");
        let (granted, said) = mit.run("kvno", &["HTTP/localhost"], "");
        assert!(granted && said.contains("kvno = 1"), "{etype}: {said}");
        let (_, listed) = mit.run("klist", &["-e"], "");
        let both = format!("(skey, tkt): {etype}, {etype}");
        assert_eq!(listed.matches(&both).count(), 2, "{etype}: {listed}");

        let url = format!("http://localhost:{}/", server.address().port());
        let arguments = ["-s", "--ipv4", "--negotiate", "-u", ":", "-w", "%{http_code}", &url];
        let (served, said) = mit.run("curl", &arguments, "");
        assert!(served && said.ends_with("200"), "{etype}: {said}\n{}", server.report());
        assert_eq!(server.report().handshakes(), 1, "{etype}: {}", server.report());
        let last = server.report().legs().last().and_then(|leg| leg.user.clone());
        assert_eq!(last.as_deref(), Some("erin@EMBEDDED.TEST"), "{etype}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn kinit_asks_again_over_tcp_where_a_datagram_does_not_do() {
    let kdc = Kdc::builder("EMBEDDED.TEST").user("erin", "erin-pw").fault(KdcFault::TooBig);
    let kdc = kdc.start().await.expect("a port");
    let mit = Mit::told_of(&kdc, "too-big");
    let (granted, said) = mit.run("kinit", &["erin"], "erin-pw\n");
    assert!(granted, "{said}");
    let report = kdc.report();
    assert_eq!(
        (report.datagrams > 0, report.stream_requests > 0, report.as_tickets),
        (true, true, 1),
        "{report:?}"
    );
}
