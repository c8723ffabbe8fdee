use super::*;
use crate::pages::checks;
use crate::sample;

fn endpoints(ip: &str) -> Endpoints {
    Endpoints {
        otlp_grpc: format!("{ip}:4317").parse().unwrap(),
        otlp_http: format!("{ip}:4318").parse().unwrap(),
    }
}

#[test]
fn addresses_are_those_a_reader_would_write() {
    for (ip, host, expected) in [
        ("127.0.0.1", "localhost", "http://localhost:4317"),
        ("0.0.0.0", "obs.example", "http://obs.example:4317"),
        ("[::]", "[fd00::1]", "http://[fd00::1]:4317"),
        ("10.1.2.3", "localhost", "http://10.1.2.3:4317"),
    ] {
        assert_eq!(url(endpoints(ip).otlp_grpc, host), expected);
    }
}

#[test]
fn a_listener_that_a_remote_reader_cannot_reach_is_named() {
    for (ip, host, named) in [
        ("127.0.0.1", "localhost", false),
        ("127.0.0.1", "127.0.0.1", false),
        ("[::1]", "[::1]", false),
        ("0.0.0.0", "obs.example", false),
        ("127.0.0.1", "obs.example", true),
        ("127.0.0.1", "10.0.0.7", true),
    ] {
        assert_eq!(unreachable(endpoints(ip), host).is_some(), named, "{ip} {host}");
    }
    let said = unreachable(endpoints("127.0.0.1"), "obs.example").unwrap();
    assert!(said.contains("--otlp-grpc 0.0.0.0:4317 --otlp-http 0.0.0.0:4318"), "{said}");
}

#[test]
fn every_guide_is_filled_in() {
    for (word, guide) in Guide::ALL {
        let snippets = guide.snippets("http://a:1", "http://b:2");
        let text: String = snippets.iter().map(|snippet| snippet.text.as_str()).collect();
        assert!(text.contains("http://a:1") || text.contains("http://b:2"), "{word}");
        for left in ["{grpc}", "{http}", "{env}"] {
            assert!(!text.contains(left), "{word}: {left}");
        }
    }
}

#[test]
fn progress_says_what_is_missing() {
    let mut unnamed = sample::span("a", None, 0);
    unnamed.service = "unknown_service:python".to_owned();
    let progress = Progress::of(&[unnamed.clone()], &[], false);
    assert_eq!(
        (progress.span, progress.service, progress.unnamed, progress.done),
        (true, false, true, false)
    );
    assert!(progress.steps()[2].hint.contains("without service.name"));
    let progress = Progress::of(&[unnamed], &[sample::log(0, None, "x")], true);
    assert_eq!((progress.service_name.as_deref(), progress.done), (Some("shop"), true));
    let part = ProgressPart { steps: progress.steps(), done: false, live: true }.render().unwrap();
    assert!(part.contains("“shop” has arrived") && part.contains("Waiting for what comes next"), "{part}");
}

#[test]
fn each_guide_is_a_sound_page() {
    for (word, guide) in Guide::ALL {
        let mut progress = Progress::of(&[sample::span("a", None, 0)], &[], false);
        progress.service_name = Some(sample::HOSTILE.to_owned());
        let visit = checks::visit(&format!("/start?for={word}"));
        let page = view(&visit, "0.1.0", endpoints("127.0.0.1"), guide, &progress).render().unwrap();
        checks::is_sound(&format!("start-{word}"), &page);
        assert!(page.contains("localhost:431"), "{word}");
        assert!(page.contains("data-done=\"true\"") && page.contains("data-done=\"false\""), "{word}");
    }
}
