//! The selectors of a tree.

use super::ast::{Expr, Kind, Selector};

impl Expr {
    /// All selectors, in the order of the query.
    pub fn selectors(&self) -> Vec<&Selector> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a Selector>) {
        match &self.kind {
            Kind::Number(_) | Kind::Text { .. } => (),
            Kind::Selector(selector) | Kind::Range { selector, .. } => found.push(selector),
            Kind::Subquery { inner, .. } | Kind::Paren(inner) | Kind::Negate(inner) => inner.collect(found),
            Kind::Binary(binary) => {
                binary.left.collect(found);
                binary.right.collect(found);
            }
            Kind::Aggregate(aggregate) => {
                aggregate.param.iter().for_each(|param| param.collect(found));
                aggregate.inner.collect(found);
            }
            Kind::Call { args, .. } => args.iter().for_each(|arg| arg.collect(found)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, parse};

    #[test]
    fn every_selector_is_found() {
        for (query, names) in [
            ("1 + 2", vec![]),
            ("a", vec!["a"]),
            ("-max_over_time(a[5m:1m])", vec!["a"]),
            ("topk(scalar(k), sum by (x) (rate(a[5m]))) / on (x) (b or vector(1))", vec!["k", "a", "b"]),
            ("label_join(a, \"x\", \",\", \"y\") + count_values(\"v\", b offset 5m)", vec!["a", "b"]),
        ] {
            let expr = parse(query, &Options::default()).unwrap();
            let found: Vec<_> =
                expr.selectors().iter().map(|selector| selector.matchers[0].value.clone()).collect();
            assert_eq!(found, names, "{query}");
        }
    }
}
