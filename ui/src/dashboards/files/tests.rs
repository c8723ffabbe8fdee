use super::*;

const RIGHT: &str = "title = \"A\"\n";

fn dashboards_of(folder: impl Into<PathBuf>) -> Dashboards {
    Dashboards::new(folder, Options::default())
}

/// Looks at the folder now.
fn look(dashboards: &Dashboards) {
    lock(&dashboards.0.seen).looked = None;
}

/// Writes a file that is newer than it was.
fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    let before = fs::metadata(&path).and_then(|about| about.modified());
    fs::write(&path, text).unwrap();
    if let Ok(before) = before {
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(before + Duration::from_secs(1))
            .unwrap();
    }
}

#[test]
fn those_that_are_built_in_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let (all, troubles) = dashboards_of(folder.path().join("none")).all();
    assert_eq!(
        all.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(),
        ["causeway", "runtime", "service"]
    );
    assert!(all.iter().all(|entry| entry.fault.is_none() && entry.path.is_none()), "{all:?}");
    assert_eq!(troubles, [""; 0]);
}

/// A rate over series made of spans, which have a sample a minute, takes two of them.
#[test]
fn rates_of_spans_have_two_samples() {
    let service = dashboards_of("/nowhere").one("service").and_then(|entry| entry.dashboard).unwrap();
    let interval = query::promql::parse_duration(&service.interval).unwrap();
    let choices = crate::dashboards::panel::Span::new(0, 1_000_000_000, interval).choices();
    let rate: i64 = choices["__rate_interval_ms"].values[0].parse().unwrap();
    assert!(rate >= 120_000, "{rate}");
}

#[test]
fn files_are_read_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let dashboards = dashboards_of(folder.path());
    assert!(dashboards.one("a").is_none());
    put(folder.path(), "a.toml", RIGHT);
    put(folder.path(), "b.json", "{\"title\": \"B\"}");
    assert!(dashboards.one("a").is_none(), "what was seen holds for a moment");
    look(&dashboards);
    assert_eq!(dashboards.one("a").unwrap().title(), "A");
    assert_eq!(dashboards.one("b").unwrap().title(), "B");
    put(folder.path(), "a.toml", "title = \"A2\"\ncolour = 1");
    look(&dashboards);
    let broken = dashboards.one("a").unwrap();
    assert_eq!((broken.title(), broken.fault.as_ref().and_then(|fault| fault.line)), ("A", Some(2)));
    put(folder.path(), "a.toml", "title = \"A3\"");
    look(&dashboards);
    let mended = dashboards.one("a").unwrap();
    assert_eq!((mended.title(), mended.fault.is_none()), ("A3", true));
    fs::remove_file(folder.path().join("a.toml")).unwrap();
    look(&dashboards);
    assert!(dashboards.one("a").is_none());
}

#[test]
fn a_file_takes_the_place_of_one_that_is_built_in_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let dashboards = dashboards_of(folder.path());
    put(folder.path(), "service.toml", RIGHT);
    let own = dashboards.one("service").unwrap();
    assert!(own.is_in_place && own.path.is_some() && own.title() == "A");
    fs::remove_file(folder.path().join("service.toml")).unwrap();
    look(&dashboards);
    let built_in = dashboards.one("service").unwrap();
    assert!(!built_in.is_in_place && built_in.path.is_none());
}

#[test]
fn what_cannot_be_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["two.toml", "two.json", "no name.toml", "new.toml", "notes.txt"] {
        put(folder.path(), name, RIGHT);
    }
    put(folder.path(), "long.toml", &"#".repeat(FILE_BYTES_MAX + 1));
    let (all, troubles) = dashboards_of(folder.path()).all();
    assert_eq!(all.iter().filter(|entry| entry.path.is_some()).count(), 1);
    for part in
        ["two.json is not read: ", "no name.toml is not read", "new.toml is not read", "1048576 are possible"]
    {
        assert!(troubles.iter().any(|trouble| trouble.contains(part)), "{part}: {troubles:?}");
    }
    assert_eq!(troubles.len(), 4);
    let file = dashboards_of(folder.path().join("two.toml"));
    assert!(file.all().1[0].contains("cannot be read"));
}

#[test]
fn a_text_is_saved_over_what_was_edited_only() {
    let folder = tempfile::tempdir().unwrap();
    let dashboards = dashboards_of(folder.path().join("made"));
    dashboards.save("a", RIGHT, None).unwrap();
    let first = dashboards.one("a").unwrap();
    assert!(matches!(dashboards.save("a", RIGHT, None), Err(SaveError::Exists(_))));
    dashboards.save("a", "title = \"B\"", Some(&first.hash())).unwrap();
    assert_eq!(dashboards.one("a").unwrap().title(), "B");
    assert!(matches!(dashboards.save("a", RIGHT, Some(&first.hash())), Err(SaveError::Changed(_))));
    let hash = dashboards.one("a").unwrap().hash();
    put(dashboards.folder(), "a.toml", "title = \"C\"");
    assert!(matches!(dashboards.save("a", RIGHT, Some(&hash)), Err(SaveError::Changed(_))));
    assert!(matches!(dashboards.save("gone", RIGHT, Some(&hash)), Err(SaveError::Changed(_))));
    assert!(matches!(dashboards.save("b", "title = 1", None), Err(SaveError::Wrong(_))));
    let files: Vec<_> =
        fs::read_dir(dashboards.folder()).unwrap().flatten().map(|file| file.file_name()).collect();
    assert_eq!(files, ["a.toml"]);
}

#[test]
fn the_form_of_a_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a.json", "{\"title\": \"A\"}");
    let dashboards = dashboards_of(folder.path());
    let hash = dashboards.one("a").unwrap().hash();
    assert!(matches!(dashboards.save("a", RIGHT, Some(&hash)), Err(SaveError::Wrong(_))));
    dashboards.save("a", "{\"title\": \"B\"}", Some(&hash)).unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("a.json")).unwrap(), "{\"title\": \"B\"}");
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let dashboards = dashboards_of(folder.path());
    for name in
        ["", "..", "../a", "a/b", "a\\b", "/etc/a", ".a", "-a", "a.toml", "a\0", "new", "ä", &"a".repeat(65)]
    {
        assert!(matches!(dashboards.save(name, RIGHT, None), Err(SaveError::Name(_))), "{name:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_cannot_be_written_says_so() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "file", "");
    let error = dashboards_of(folder.path().join("file")).save("a", RIGHT, None).unwrap_err();
    assert!(error.to_string().contains("must be writable"), "{error}");
}
