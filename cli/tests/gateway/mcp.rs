//! A client of the Model Context Protocol, by its own SDK, and a server of it behind Negotiate.

use std::path::Path;
use std::process::Command;

use crate::gateway::Gateway;
use crate::lab::lab;

// In the client's 64 calls at once, each answer waits until its own event has been heard.
#[test]
#[ignore = "needs the lab: tests/run"]
fn it_lists_and_calls_tools_and_hears_events_as_they_come() {
    let serve = format!("127.0.0.1:0={}", lab("APACHE_HTTP"));
    let serve = ["--serve", &serve];
    for (gateway, user) in
        [(Gateway::of_alice(&serve), lab("KRB5_USER")), (Gateway::of_carol(&serve), lab("NTLM_USER"))]
    {
        for mode in ["auto", "legacy"] {
            let said = client(&[&format!("http://{}/mcp", gateway.address), mode]);
            assert!(said.ends_with(&format!(" {user}\n")), "{mode}: {said}");
        }
        assert_eq!(gateway.stop().code(), Some(0), "{user}");
    }
}

fn client(arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/lab/mcp_client.py");
    let mut client = Command::new(lab("MCP_PYTHON"));
    for name in ["http_proxy", "all_proxy"] {
        client.env_remove(name).env_remove(name.to_uppercase());
    }
    let output = client.arg(script).args(arguments).output().expect("it starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}
