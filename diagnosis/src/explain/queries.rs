//! The SQL from which a number can be computed again, and pages to look at.

use std::collections::BTreeSet;

use model::TraceId;

use super::Explain;
use crate::evidence::attributes::Place;
use crate::evidence::resources::Strain;
use crate::evidence::structure::Pair;
use crate::frame::{Event, Key};
use crate::load::{LINE, LOGGER, of_traces, sql_text, sql_time};
use crate::rank::template_of;

impl Explain<'_> {
    fn inside(&self, column: &str) -> String {
        format!("{column} >= {} AND {column} <= {}", sql_time(self.from), sql_time(self.to))
    }

    fn services(&self, service: u32) -> String {
        format!("service_name = {}", sql_text(self.frame.service_name(service)))
    }

    /// Spans of a context, and those of them in which the second event happens.
    pub(super) fn query_of_place(&self, service: u32, context: u32, pair: Pair) -> String {
        let place = self.frame.contexts[context as usize];
        let spans = format!(
            "SELECT trace_id, span_id FROM spans WHERE {} AND {} AND name = {}",
            self.inside("start_time"),
            self.services(service),
            sql_text(self.frame.name_text(place.name)),
        );
        let before = match pair.is_new {
            true => String::new(),
            false => format!(
                " JOIN ({}) b ON b.trace_id = s.trace_id AND b.span_id = s.span_id",
                self.having(pair.before)
            ),
        };
        format!(
            "SELECT count(*) AS spans, count(a.span_id) AS with_event FROM ({spans}) s{before} LEFT JOIN ({}) a ON \
             a.trace_id = s.trace_id AND a.span_id = s.span_id",
            self.having(pair.after)
        )
    }

    /// The spans, each once, in which an event happened.
    fn having(&self, event: u32) -> String {
        let spans = format!("SELECT trace_id, span_id FROM spans WHERE {}", self.inside("start_time"));
        let parents = |condition: &str| {
            format!(
                "SELECT DISTINCT trace_id, parent_span_id AS span_id FROM spans WHERE {} AND {condition}",
                self.inside("start_time")
            )
        };
        match self.frame.events[event as usize] {
            Event::Start => spans,
            Event::Failed => format!("{spans} AND status_code = 'error'"),
            Event::Empty => format!("{spans} EXCEPT {}", parents("parent_span_id IS NOT NULL")),
            Event::Callee => parents("kind IN ('server', 'consumer')"),
            Event::Span(service, name) => parents(&format!(
                "{} AND name = {}",
                self.services(service),
                sql_text(self.frame.name_text(name))
            )),
            Event::Log(service, statement, _) => format!(
                "SELECT DISTINCT trace_id, span_id FROM logs WHERE {} AND {} AND {}",
                self.inside("time"),
                self.services(service),
                self.is_statement(statement)
            ),
        }
    }

    /// The condition that a log is of a statement.
    fn is_statement(&self, statement: u32) -> String {
        let name = self.frame.statements.get(statement).map_or("", String::as_str);
        match (template_of(name), name.rsplit_once('#')) {
            (Some(id), _) => format!("template_id = {}", sql_text(id)),
            (None, Some((logger, line))) => {
                format!("{LOGGER} = {} AND {LINE} = {}", sql_text(logger), sql_text(line))
            }
            (None, None) => "false".to_owned(),
        }
    }

    /// The median of what a key's time is.
    pub(super) fn query_of_key(&self, key: Key) -> String {
        let (service, name) =
            (sql_text(self.frame.service_name(key.service())), sql_text(self.frame.name_text(key.name())));
        let inside = self.inside("c.start_time");
        match key {
            Key::Edge(_, _, callee, callee_name) => format!(
                "SELECT median(c.duration_ns - s.duration_ns) AS ns, count(*) AS spans FROM spans c JOIN spans s \
                 ON s.trace_id = c.trace_id AND s.parent_span_id = c.span_id WHERE {inside} AND c.service_name = {service} \
                 AND c.name = {name} AND s.service_name = {} AND s.name = {}",
                sql_text(self.frame.service_name(callee)),
                sql_text(self.frame.name_text(callee_name)),
            ),
            Key::Peer(..) | Key::Own(..) => format!(
                "SELECT median(c.duration_ns - coalesce(s.ns, 0)) AS ns, count(*) AS spans FROM spans c LEFT JOIN \
                 (SELECT parent_span_id, sum(duration_ns) AS ns FROM spans WHERE parent_span_id IS NOT NULL GROUP BY 1) s \
                 ON s.parent_span_id = c.span_id WHERE {inside} AND c.service_name = {service} AND c.name = {name}"
            ),
        }
    }

    pub(super) fn query_of_metric(&self, service: &str, strain: &Strain) -> String {
        let mut query = format!(
            "SELECT time, value FROM metrics WHERE {} AND service_name = {} AND metric = {}",
            self.inside("time"),
            sql_text(service),
            sql_text(&strain.metric)
        );
        if !strain.instance.is_empty() {
            query += &format!(" AND service_instance_id = {}", sql_text(&strain.instance));
        }
        query + " ORDER BY time"
    }

    /// How many of the bad traces have an attribute value.
    pub(super) fn query_of_attribute(&self, place: &Place, bad: &BTreeSet<TraceId>) -> String {
        let column = if place.level == "resource" { "resource_attributes" } else { "attributes" };
        format!(
            "SELECT count(DISTINCT CASE WHEN service_name = {} AND {column}[{}] = {} THEN trace_id END) AS with_value, \
             count(DISTINCT trace_id) AS traces FROM spans WHERE {}",
            sql_text(&place.service),
            sql_text(&place.key),
            sql_text(&place.value),
            of_traces(bad, (self.from, self.to.saturating_add(1)))
        )
    }

    /// The lines of a template in the window.
    pub(super) fn query_of_template(&self, service: u32, template: &str) -> String {
        format!(
            "SELECT count(*) AS lines FROM logs WHERE {} AND {} AND template_id = {}",
            self.inside("time"),
            self.services(service),
            sql_text(template)
        )
    }

    /// What was asked of a service, by minute.
    pub(super) fn query_of_traffic(&self, service: &str) -> String {
        format!(
            "SELECT time, sum(calls) AS calls FROM red WHERE service_name = {} AND kind IN ('server', 'consumer') \
             GROUP BY time ORDER BY time",
            sql_text(service)
        )
    }

    /// The page of a search in the window.
    pub(super) fn search_page(&self, tab: &str, q: &str) -> String {
        let range = format!("{}..{}", self.from, self.to);
        let mut parameters = form_urlencoded::Serializer::new(String::new());
        parameters.append_pair("tab", tab).append_pair("q", q).append_pair("t", &range);
        format!("/search?{}", parameters.finish())
    }
}
