//! What the program prints about itself.

use std::process::Command;

fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_legwork")).args(arguments).output().expect("it starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn each_shell_has_completions() {
    for (shell, mark) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef legwork"),
        ("fish", "complete -c legwork"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion"),
    ] {
        let script = printed(&["completions", shell]);
        assert!(script.contains(mark) && script.contains("password-file"), "{shell}:\n{script}");
    }
}

#[test]
fn there_is_a_manual_page_of_the_program_and_of_each_command() {
    let whole = printed(&["man"]);
    assert!(whole.starts_with(".ie") && whole.contains(".TH legwork 1"), "{whole}");
    let commands = printed(&["--help"]);
    let (_, commands) = commands.split_once("Commands:\n").expect("commands");
    let commands: Vec<_> = commands.lines().take_while(|line| !line.is_empty()).collect();
    assert!(commands.len() > 2, "{commands:?}");
    for command in
        commands.iter().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help")
    {
        let page = printed(&["man", command]);
        assert!(page.contains(&format!(".TH legwork-{command} 1")), "{command}:\n{page}");
    }
    let unknown =
        Command::new(env!("CARGO_BIN_EXE_legwork")).args(["man", "unknown"]).output().expect("it starts");
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn the_exit_codes_are_in_the_help_in_the_manual_and_in_the_readme() {
    let help = printed(&["get", "--help"]);
    let (_, codes) = help.split_once("Exit codes (curl's numbers):\n").expect("exit codes");
    let readme = include_str!("../README.md");
    let page = printed(&["man", "get"]).replace(r"\*(Aq", "'").replace('\\', "");
    let codes: Vec<_> = codes.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert!(codes.len() > 10, "{codes:?}");
    for code in codes {
        let (number, meaning) = code.split_once("  ").expect("a number and a meaning");
        assert!(readme.contains(&format!("| {number} | {meaning} |")), "README.md lacks {code:?}");
        assert!(page.contains(meaning), "the manual page lacks {code:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_manual_page_can_be_read() {
    let page = printed(&["man", "get"]);
    // Wherever there is man: it complains about what it cannot set.
    let Ok(mut man) = Command::new("man")
        .args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
    else {
        return;
    };
    std::io::Write::write_all(&mut man.stdin.take().expect("a pipe"), page.as_bytes()).expect("it reads");
    let output = man.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
