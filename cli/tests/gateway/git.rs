//! git at Apache's git-http-backend, which wants a login.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use crate::folder::Folder;
use crate::gateway::Gateway;
use crate::lab::lab;

/// Of octets that cannot be compressed.
const OCTETS: u64 = 200_000_000;

/// git with nothing of the user's own settings, and with no proxy.
fn git(home: &Path, arguments: &[&dyn AsRef<OsStr>]) -> String {
    let mut git = Command::new("git");
    git.env_clear()
        .env("PATH", std::env::var_os("PATH").expect("a path"))
        .env("HOME", home)
        .current_dir(home);
    git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
    for setting in [
        "user.name=lab",
        "user.email=lab@lab.test",
        "core.compression=0",
        "init.defaultBranch=main",
        "gc.auto=0",
    ] {
        git.args(["-c", setting]);
    }
    let output = git.args(arguments.iter().map(AsRef::as_ref)).output().expect("git runs");
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr),
        arguments = arguments.iter().map(AsRef::as_ref).collect::<Vec<_>>()
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn it_pushes_and_clones_two_hundred_megabytes_by_each_scheme() {
    let folder = Folder::new("git");
    let home = folder.0.as_path();
    let work = home.join("work");
    git(home, &[&"init", &"-q", &work]);
    let mut large = File::create(work.join("large")).expect("a file");
    let random = File::open("/dev/urandom").expect("a device");
    std::io::copy(&mut random.take(OCTETS), &mut large).expect("written");
    large.flush().expect("written");
    git(home, &[&"-C", &work, &"add", &"large"]);
    git(home, &[&"-C", &work, &"commit", &"-q", &"-m", &"Keep a large file"]);
    let commit = git(home, &[&"-C", &work, &"rev-parse", &"HEAD"]);

    let serve = format!("127.0.0.1:0={}", lab("APACHE_HTTP"));
    let serve = ["--serve", &serve];
    for scheme in ["ntlm", "krb", "digest"] {
        let gateway = match scheme {
            "ntlm" => Gateway::of_carol(&serve),
            "krb" => Gateway::of_alice(&serve),
            _ => Gateway::of(lab("BASIC_USER"), lab("BASIC_PASSWORD"), &serve),
        };
        let url = format!("http://{}/git/{scheme}/large.git", gateway.address);
        git(home, &[&"-C", &work, &"push", &"-q", &url, &"HEAD:refs/heads/main"]);
        let clone = home.join(scheme);
        git(home, &[&"clone", &"-q", &url, &clone]);
        assert_eq!(git(home, &[&"-C", &clone, &"rev-parse", &"HEAD"]), commit, "{scheme}");
        let length = std::fs::metadata(clone.join("large")).expect("a file").len();
        assert_eq!(length, OCTETS, "{scheme}");
        std::fs::remove_dir_all(clone).expect("it is there");
        #[cfg(target_os = "linux")]
        println!("{scheme}: {} KiB at the most", gateway.resident_kibibytes("VmHWM"));
    }
}
