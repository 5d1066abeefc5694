//! The pages that name tests: each of them exists, and no row is there twice. The page that lists unsafe code: it lists
//! all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What `over_each_client!` calls its modules.
const CLIENTS: [&str; 3] = ["over_hyper", "over_reqwest", "over_legacy"];

/// A row of a table: its cells, without the markup around them.
struct Row {
    line: usize,
    cells: Vec<String>,
}

#[test]
fn every_known_failure_names_tests_that_exist_and_is_named_once() {
    let rows = holds("KNOWN_FAILURES.md", 3);
    assert!(rows.len() > 100, "{} rows", rows.len());
}

#[test]
fn every_limit_names_tests_that_exist_and_is_named_once() {
    let rows = holds("src/manual/limits.md", 5);
    assert!(rows.len() > 50, "{} rows", rows.len());
}

#[test]
fn a_name_without_its_test_is_found_out() {
    for wrong in [
        "it identity::no_test_of_this_name",
        "it no_module::bob_never_rides_alices_connection",
        "it support::server_of_three",
        "it each_client::over_nothing::bob_never_rides_alices_connection",
        "nowhere identity::bob_never_rides_alices_connection",
        "lib handshake::tests::mutual",
    ] {
        assert!(find(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn all_unsafe_code_is_listed() {
    let text = fs::read_to_string(root().join("UNSAFE.md")).expect("the page");
    let mut listed = BTreeMap::new();
    for section in text.split("\n## `").skip(1) {
        let (file, table) = section.split_once('`').expect("a file");
        for Row { cells, .. } in rows(table) {
            let item = cells[0].trim_matches('`').to_owned();
            let blocks: usize = cells[1].parse().expect("a number");
            assert!(!cells[2].is_empty(), "{file}: {item}: no reason");
            assert_eq!(listed.insert((file.to_owned(), item), blocks), None, "{file}: listed twice");
        }
    }
    let mut found = BTreeMap::new();
    for folder in ["src", "cli/src"] {
        count_unsafe(&root().join(folder), &mut found);
    }
    assert!(found.values().sum::<usize>() > 50, "{found:?}");
    assert_eq!(found, listed);
}

#[test]
fn unsafe_code_is_found_where_it_stands() {
    let text = "impl fmt::Debug for Thing {\n    fn fmt() {}\n}\nimpl Thing {\n    fn make() {\n        // unsafe {\n        \
                let a = unsafe { b() };\n        unsafe { c() }\n    }\n}\nunsafe fn text() {}\n\
                unsafe impl<T> Send for Thing {}\ntype F = unsafe extern \"C\" fn();\n";
    let found = unsafe_items(text);
    let expected = [("Send for Thing", 1), ("Thing::make", 2), ("text", 1)];
    assert_eq!(found, expected.map(|(item, blocks)| (item.to_owned(), blocks)).into());
}

/// How many unsafe blocks, functions and implementations there are, by file and item.
fn count_unsafe(folder: &Path, found: &mut BTreeMap<(String, String), usize>) {
    // The published package comes without the program.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            // Tests are not listed.
            if !path.ends_with("tests") {
                count_unsafe(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a text");
            let file = path.strip_prefix(root()).expect("it is below").display().to_string();
            let items = unsafe_items(&text).into_iter();
            found.extend(items.map(|(item, blocks)| ((file.clone(), item), blocks)));
        }
    }
}

/// The items of a file with unsafe code: how much of it each has.
fn unsafe_items(text: &str) -> BTreeMap<String, usize> {
    let mut items = BTreeMap::new();
    let (mut implementation, mut function) = (None, String::new());
    for line in text.lines() {
        let code = line.trim_start();
        if code.starts_with("//") {
            continue;
        }
        // Below a macro's rules, whose own braces are not at the margin either.
        if line == "}" {
            implementation = None;
        }
        let header = code.strip_prefix("unsafe ").unwrap_or(code);
        if let Some(rest) = header.strip_prefix("impl") {
            let rest = rest.split_once("> ").filter(|_| rest.starts_with('<')).map_or(rest, |(_, rest)| rest);
            let rest = rest.trim().trim_end_matches(['{', '}', ' ']);
            let of = rest.rsplit(" for ").next().unwrap_or(rest);
            implementation = Some(of.to_owned());
            if code.starts_with("unsafe ") {
                *items.entry(rest.to_owned()).or_default() += 1;
                continue;
            }
        }
        let is_of_a_function = |before: &str| {
            before.split(' ').all(|word| ["", "const", "unsafe"].contains(&word) || word.starts_with("pub"))
        };
        if let Some((before, rest)) = code.split_once("fn ").filter(|(before, _)| is_of_a_function(before)) {
            let name = rest.split(['(', '<']).next().unwrap_or(rest);
            let of = implementation.as_deref().filter(|_| line.starts_with(' '));
            function = of.map_or_else(|| name.to_owned(), |of| format!("{of}::{name}"));
            if before.contains("unsafe ") {
                *items.entry(function.clone()).or_default() += 1;
            }
        }
        let blocks = code.matches("unsafe {").count();
        if blocks > 0 {
            *items.entry(function.clone()).or_default() += blocks;
        }
    }
    items
}

/// Each row has so many cells; the first is in no other row, and the last names tests, or says why there is none.
fn holds(page: &str, columns: usize) -> Vec<Row> {
    let text = fs::read_to_string(root().join(page)).expect(page);
    let rows = rows(&text);
    let mut wrong = Vec::new();
    let mut failures = BTreeSet::new();
    for Row { line, cells } in &rows {
        if cells.len() != columns {
            wrong.push(format!("{page}:{line}: {} cells, not {columns}", cells.len()));
            continue;
        }
        if !failures.insert(&cells[0]) {
            wrong.push(format!("{page}:{line}: it is there twice"));
        }
        let tests = names(&cells[columns - 1]);
        if tests.is_empty() && !cells[columns - 1].contains("none: ") && cells[columns - 1] != "–" {
            wrong.push(format!("{page}:{line}: no test"));
        }
        for (index, test) in tests.iter().enumerate() {
            if let Err(why) = find(test) {
                wrong.push(format!("{page}:{line}: {test}: {why}"));
            }
            if tests[..index].contains(test) {
                wrong.push(format!("{page}:{line}: {test} is named twice"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    rows
}

fn rows(text: &str) -> Vec<Row> {
    let lines: Vec<_> = text.lines().collect();
    let is_rule = |line: &str| line.starts_with("|-");
    let mut rows = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let is_heading = lines.get(index + 1).is_some_and(|next| is_rule(next));
        if !line.starts_with('|') || is_rule(line) || is_heading {
            continue;
        }
        let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        rows.push(Row { line: index + 1, cells });
    }
    rows
}

/// What stands between backquotes and begins with a target.
fn names(cell: &str) -> Vec<&str> {
    let quoted = cell.split('`').skip(1).step_by(2);
    let targets = ["lib ", "it ", "lab ", "mechanism ", "memory ", "secrets "];
    quoted.filter(|quoted| targets.iter().any(|target| quoted.starts_with(target))).collect()
}

/// Finds a test by its target and its path, as `cargo test` has them. `over_*` is one for each client.
fn find(test: &str) -> Result<(), String> {
    if test.contains("::over_*::") {
        return CLIENTS.iter().try_for_each(|client| find(&test.replace("over_*", client)));
    }
    let (target, path) = test.split_once(' ').ok_or("no target")?;
    let modules: Vec<_> = path.split("::").collect();
    let (name, modules) = modules.split_last().ok_or("no name")?;
    let (folder, root_file) = match target {
        "lib" => ("src".to_owned(), "src/lib.rs".to_owned()),
        "memory" => ("tests".to_owned(), "tests/memory.rs".to_owned()),
        _ => (format!("tests/{target}"), format!("tests/{target}/main.rs")),
    };
    // The modules that have files of their own come first, then those inside of the last file.
    let (mut folder, mut file) = (root().join(folder), root().join(root_file));
    let mut inside = Vec::new();
    for module in modules {
        let found = inside.is_empty().then(|| file_of(&folder, &file, module)).flatten();
        match found {
            Some(found) => (folder, file) = (folder.join(module), found),
            None => inside.push(*module),
        }
    }
    let text = fs::read_to_string(&file).map_err(|_| "no such target".to_owned())?;
    for module in &inside {
        if !text.contains(&format!("mod {module} {{")) && !made_by_macro(&text, module) {
            return Err(format!("no module {module} in {}", file.display()));
        }
    }
    let made = inside.last().is_some_and(|module| made_by_macro(&text, module));
    match (made && text.contains(&format!("    {name},"))) || is_test(&text, name) {
        true => Ok(()),
        false => Err(format!("no such test in {}", file.display())),
    }
}

fn file_of(folder: &Path, file: &Path, module: &str) -> Option<PathBuf> {
    let beside = [folder.join(format!("{module}.rs")), folder.join(module).join("mod.rs")];
    let declared = fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("mod {module};")));
    beside.into_iter().find(|file| declared && file.exists())
}

/// `over_each_client!` makes a module for each client, `crowds!` one for each server of the lab.
fn made_by_macro(text: &str, module: &str) -> bool {
    (text.contains("over_each_client! {") && CLIENTS.contains(&module))
        || (text.contains("crowds! {") && text.contains(&format!("    {module};\n")))
}

/// Whether a function of this name stands beneath an attribute that makes it a test.
fn is_test(text: &str, name: &str) -> bool {
    let lines: Vec<_> = text.lines().map(str::trim_start).collect();
    let begins = [format!("fn {name}("), format!("async fn {name}(")];
    lines.iter().enumerate().any(|(index, line)| {
        begins.iter().any(|begin| line.starts_with(begin.as_str()))
            && lines[..index]
                .iter()
                .rev()
                .take_while(|above| !above.ends_with('}') && !above.is_empty())
                .any(|above| above.starts_with("#[test]") || above.starts_with("#[tokio::test"))
    })
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
