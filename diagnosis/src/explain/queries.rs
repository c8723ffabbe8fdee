//! The SQL from which a number can be computed again, and pages to look at.

use super::Explain;
use crate::evidence::attributes::Place;
use crate::evidence::resources::Strain;
use crate::evidence::structure::Pair;
use crate::frame::{Event, Key};
use crate::load::{sql_text, sql_time};
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
            "SELECT span_id, trace_id, status_code FROM spans s WHERE {} AND {} AND name = {}",
            self.inside("start_time"),
            self.services(service),
            sql_text(self.frame.name_text(place.name)),
        );
        let has = |event: u32| self.has_event(event);
        let before = match pair.is_new {
            true => "true".to_owned(),
            false => has(pair.before),
        };
        format!(
            "SELECT count(*) AS spans, sum(CASE WHEN {} THEN 1 ELSE 0 END) AS with_event FROM ({spans}) s WHERE {before}",
            has(pair.after)
        )
    }

    /// Whether an event happened in the span `s`.
    fn has_event(&self, event: u32) -> String {
        match self.frame.events[event as usize] {
            Event::Start => "true".to_owned(),
            Event::Failed => "s.status_code = 'error'".to_owned(),
            Event::Empty => {
                "s.span_id NOT IN (SELECT parent_span_id FROM spans WHERE parent_span_id IS NOT NULL)"
                    .to_owned()
            }
            Event::Callee => format!(
                "s.span_id IN (SELECT parent_span_id FROM spans WHERE kind IN ('server', 'consumer') AND {} AND \
                 parent_span_id IS NOT NULL)",
                self.inside("start_time")
            ),
            Event::Span(service, name) => format!(
                "s.span_id IN (SELECT parent_span_id FROM spans WHERE {} AND {} AND name = {} AND parent_span_id IS NOT NULL)",
                self.inside("start_time"),
                self.services(service),
                sql_text(self.frame.name_text(name))
            ),
            Event::Log(service, statement, _) => {
                let name = self.frame.statements.get(statement).map_or("", String::as_str);
                let is_it = match (template_of(name), name.rsplit_once('#')) {
                    (Some(id), _) => format!("template_id = {}", sql_text(id)),
                    (None, Some((logger, line))) => format!(
                        "attributes['logger.name'] = {} AND \
                         coalesce(attributes['code.line.number'], attributes['code.lineno']) = {}",
                        sql_text(logger),
                        sql_text(line)
                    ),
                    (None, None) => "false".to_owned(),
                };
                format!(
                    "s.span_id IN (SELECT span_id FROM logs WHERE {} AND {} AND {is_it} AND span_id IS NOT NULL)",
                    self.inside("time"),
                    self.services(service)
                )
            }
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

    /// How many traces have an attribute value, of all with the service.
    pub(super) fn query_of_attribute(&self, place: &Place) -> String {
        let column = if place.level == "resource" { "resource_attributes" } else { "attributes" };
        format!(
            "SELECT count(DISTINCT CASE WHEN {column}[{}] = {} THEN trace_id END) AS with_value, \
             count(DISTINCT trace_id) AS traces FROM spans WHERE {} AND service_name = {}",
            sql_text(&place.key),
            sql_text(&place.value),
            self.inside("start_time"),
            sql_text(&place.service)
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
