//! The zone that the times of a page are shown in.
//!
//! It is chosen once for a request, by `tz` of the address or else by the reader's cookie, and holds for all that is
//! written while the request is answered. So it stands in the task that answers and is not handed through every view:
//! there is no time on a page that could be in another one.

use std::future::Future;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use jiff::tz::TimeZone;

use crate::Ui;
use crate::params::BadParameter;
use crate::problem::Problem;
use crate::visit::Visit;

/// The longest name of a zone in bytes; the longest that exists has 32.
const NAME_BYTES_MAX: usize = 64;
/// What `tz` may be.
const EXPECTED: &str = "the name of a time zone was expected, such as UTC or Europe/Berlin";

tokio::task_local! {
    static ZONE: Zone;
}

/// A zone with its name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Zone {
    zone: TimeZone,
    name: Arc<str>,
}

impl Default for Zone {
    fn default() -> Self {
        Self { zone: TimeZone::UTC, name: Arc::from("UTC") }
    }
}

impl Zone {
    /// The zone of a name, as the time zone database has it.
    pub(crate) fn of(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("utc") {
            return Some(Self::default());
        }
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return None;
        }
        let zone = TimeZone::get(name).ok()?;
        let name = Arc::from(zone.iana_name()?);
        Some(Self { zone, name })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The rules of its clock.
    pub(crate) fn rules(&self) -> TimeZone {
        self.zone.clone()
    }
}

/// The zone of the page that is being answered; UTC outside of one.
pub(crate) fn current() -> Zone {
    ZONE.try_with(Clone::clone).unwrap_or_default()
}

/// Its name, as it stands beside times.
pub(crate) fn name() -> String {
    current().name().to_owned()
}

/// Runs what writes times, in a zone.
pub(crate) async fn within<T>(zone: Zone, work: impl Future<Output = T>) -> T {
    ZONE.scope(zone, work).await
}

/// Answers a request in the zone that it asks for.
pub(crate) async fn answer(State(ui): State<Ui>, visit: Visit, request: Request, next: Next) -> Response {
    match asked(&visit) {
        Ok(zone) => within(zone, next.run(request)).await,
        Err(wrong) => Problem::from(wrong).response(&visit, ui.version),
    }
}

/// The zone of the address, else that of the cookie.
fn asked(visit: &Visit) -> Result<Zone, BadParameter> {
    match visit.params.text("tz")?.trim() {
        "" => Ok(visit.preferences.zone.clone().unwrap_or_default()),
        name => Zone::of(name).ok_or_else(|| BadParameter::new("tz", name, EXPECTED)),
    }
}

/// Runs what writes times in a zone that a test chose.
#[cfg(test)]
pub(crate) fn sync_within<T>(name: &str, work: impl FnOnce() -> T) -> T {
    ZONE.sync_scope(Zone::of(name).unwrap(), work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::checks;

    #[test]
    fn zones_have_names() {
        for (name, expected) in [
            ("UTC", Some("UTC")),
            ("utc", Some("UTC")),
            ("Europe/Berlin", Some("Europe/Berlin")),
            ("europe/berlin", Some("Europe/Berlin")),
            ("", None),
            ("Europe/Atlantis", None),
            ("../../etc/passwd", None),
            ("<b>", None),
        ] {
            assert_eq!(Zone::of(name).as_ref().map(Zone::name), expected, "{name}");
        }
        assert_eq!(Zone::of(&"a".repeat(NAME_BYTES_MAX + 1)), None);
    }

    #[test]
    fn the_address_goes_before_the_cookie() {
        let mut visit = checks::visit("/x?tz=Asia/Tokyo");
        visit.preferences.zone = Zone::of("Europe/Berlin");
        assert_eq!(asked(&visit).unwrap().name(), "Asia/Tokyo");
        visit.params = checks::visit("/x?tz=").params;
        assert_eq!(asked(&visit).unwrap().name(), "Europe/Berlin");
        let wrong = asked(&checks::visit("/x?tz=pink")).unwrap_err();
        assert_eq!((wrong.name, wrong.found.as_str()), ("tz", "pink"));
    }

    #[tokio::test]
    async fn the_zone_holds_while_a_page_is_answered() {
        assert_eq!(name(), "UTC");
        let inside = within(Zone::of("Asia/Tokyo").unwrap(), async { name() }).await;
        assert_eq!((inside.as_str(), name().as_str()), ("Asia/Tokyo", "UTC"));
    }
}
