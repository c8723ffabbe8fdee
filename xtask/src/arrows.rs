//! The walls between the rooms, read off the manifests: which crate may depend on which, and that a crate is named
//! as its folder. `collector` knows only `model`; `ui`, `diagnosis`, `query`, `storage`, `model` each know those to
//! their right; what starts, tests or shows all of it may know everything.

use std::{collections::BTreeMap, fs};

use toml::Table;

use crate::shell::workspace;

/// The crates that data and questions pass, and what each may depend on.
const ARROWS: [(&str, &[&str]); 6] = [
    ("model", &[]),
    ("collector", &["model"]),
    ("storage", &["model"]),
    ("query", &["storage", "model"]),
    ("diagnosis", &["query", "storage", "model"]),
    ("ui", &["diagnosis", "query", "storage", "model"]),
];

/// The crates that may point anywhere. Nothing may point at them, except that they may at each other.
const FREE: [&str; 7] = ["causeway", "tests", "bench", "accuracy", "promql", "xtask", "demo"];

/// The kinds of dependency, which stand at the top of a manifest and below `target.*`.
const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// The manifests of the members, by the name of their folder.
fn manifests() -> BTreeMap<String, Table> {
    let read = |path: &str| -> Table {
        let text =
            fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        text.parse().unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let root = read("Cargo.toml");
    let members = root["workspace"]["members"].as_array().expect("members are a list");
    let folders = members.iter().map(|member| member.as_str().expect("a member is a path").to_owned());
    let name = |folder: &str| folder.rsplit('/').next().unwrap_or(folder).to_owned();
    folders.map(|folder| (name(&folder), read(&format!("{folder}/Cargo.toml")))).collect()
}

/// What is wrong with these manifests, in the order of their folders.
fn wrong(manifests: &BTreeMap<String, Table>) -> Vec<String> {
    let mut found = Vec::new();
    for (folder, manifest) in manifests {
        let name = manifest["package"]["name"].as_str().unwrap_or_default();
        if name != folder {
            found.push(format!("the crate in {folder} is named {name}"));
        }
        if FREE.contains(&folder.as_str()) {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(room, _)| room == folder) else {
            found.push(format!("{folder} has no place among the rooms"));
            continue;
        };
        let members = dependencies(manifest).into_iter().filter(|name| manifests.contains_key(name));
        found.extend(
            members
                .filter(|name| !allowed.contains(&name.as_str()))
                .map(|name| format!("{folder} -> {name}")),
        );
    }
    found
}

/// The packages that a manifest names, of every kind and for every target.
fn dependencies(manifest: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(|targets| targets.as_table());
    let tables = std::iter::once(manifest)
        .chain(targets.into_iter().flat_map(Table::values).filter_map(|t| t.as_table()));
    let sections =
        tables.flat_map(|table| SECTIONS.iter().filter_map(|section| table.get(*section)?.as_table()));
    // A dependency may be renamed: then `package` has its name.
    let package = |(key, value): (&String, &toml::Value)| {
        value.get("package").and_then(|name| name.as_str()).unwrap_or(key).to_owned()
    };
    sections.flat_map(|section| section.iter().map(package)).collect()
}

#[test]
fn the_workspace_keeps_its_walls() {
    assert_eq!(wrong(&manifests()), Vec::<String>::new());
}

#[test]
fn every_folder_of_a_crate_is_a_member() {
    let members = manifests();
    for entry in fs::read_dir(workspace()).expect("the workspace is a folder") {
        let path = entry.expect("an entry is readable").path();
        if path.join("Cargo.toml").is_file() {
            let name = path.file_name().expect("a folder has a name").to_string_lossy().into_owned();
            assert!(members.contains_key(&name), "{name} has a manifest but is no member");
        }
    }
}

#[test]
fn walls_are_seen() {
    let check = |folder: &str, rest: &str, expected: &[&str]| {
        let manifest = format!("[package]\nname = '{folder}'\n{rest}");
        let mut all: BTreeMap<String, Table> = ARROWS
            .iter()
            .map(|(room, _)| (*room).to_owned())
            .chain(FREE.map(str::to_owned))
            .map(|room| (room.clone(), format!("package.name = '{room}'").parse().expect("a manifest")))
            .collect();
        all.insert(folder.to_owned(), manifest.parse().expect("a manifest"));
        assert_eq!(wrong(&all), expected, "{manifest}");
    };
    check("query", "[dependencies]\nstorage.workspace = true\nserde = '1'", &[]);
    check("ui", "[dependencies]\nmodel.workspace = true", &[]);
    check("collector", "[dependencies]\nstorage.workspace = true", &["collector -> storage"]);
    check("storage", "[dev-dependencies]\nquery.workspace = true", &["storage -> query"]);
    check("model", "[build-dependencies]\nxtask.workspace = true", &["model -> xtask"]);
    check("query", "[target.'cfg(unix)'.dependencies]\nui.workspace = true", &["query -> ui"]);
    check("query", "[dependencies]\npage = { package = 'ui', path = '../ui' }", &["query -> ui"]);
    check("tests", "[dependencies]\nui.workspace = true", &[]);
    check("common", "", &["common has no place among the rooms"]);
    let all = BTreeMap::from([("model".to_owned(), "package.name = 'nouns'".parse().expect("a manifest"))]);
    assert_eq!(wrong(&all), ["the crate in model is named nouns"]);
}
