//! The syntax tree of a query, for those who draw it.

use serde_json::{Value, json};

use super::super::ast::{Aggregate, At, Binary, Expr, Grouping, Kind, Many, Selector, Shift, ValueType};
use super::super::format::{matches_series, name_before_braces, signed};
use super::super::functions::{Extra, Function};
use super::super::labels::Matcher;
use super::super::numbers::plain;

/// A tree as Prometheus' API has it. `text` is what it was read from.
pub fn tree(expr: &Expr, text: &str) -> Value {
    if let Some((value, _)) = signed(expr) {
        return json!({ "type": "numberLiteral", "val": plain(value) });
    }
    match &expr.kind {
        Kind::Number(value) => json!({ "type": "numberLiteral", "val": plain(*value) }),
        Kind::Text { value, .. } => json!({ "type": "stringLiteral", "val": value }),
        Kind::Selector(selector) => of_selector("vectorSelector", expr, selector, text),
        Kind::Range { selector, range_ms } => {
            let mut node = of_selector("matrixSelector", expr, selector, text);
            node["range"] = (*range_ms).into();
            node
        }
        Kind::Subquery { inner, range_ms, step_ms, shift } => {
            let mut node = json!({ "type": "subquery", "expr": tree(inner, text), "range": range_ms });
            node["step"] = step_ms.unwrap_or(0).into();
            set_shift(&mut node, shift);
            node
        }
        Kind::Paren(inner) => json!({ "type": "parenExpr", "expr": tree(inner, text) }),
        Kind::Negate(inner) => json!({ "type": "unaryExpr", "op": "-", "expr": tree(inner, text) }),
        Kind::Binary(binary) => of_binary(binary, text),
        Kind::Aggregate(aggregate) => of_aggregate(aggregate, text),
        Kind::Call { function, args } => {
            let args: Vec<Value> = args.iter().map(|arg| tree(arg, text)).collect();
            json!({ "type": "call", "func": of_function(function), "args": args })
        }
    }
}

fn of_selector(kind: &str, expr: &Expr, selector: &Selector, text: &str) -> Value {
    let name = name_before_braces(expr, selector, text);
    let matcher = |one: &Matcher| json!({ "name": one.name, "type": one.op.text(), "value": one.value });
    let mut matchers: Vec<Value> = selector.matchers.iter().map(matcher).collect();
    if name.is_some() {
        // The matcher of a name before the braces is the last there.
        matchers.rotate_left(1);
    }
    let mut node = json!({ "type": kind, "name": name.unwrap_or_default(), "matchers": matchers });
    set_shift(&mut node, &selector.shift);
    node
}

fn set_shift(node: &mut Value, shift: &Shift) {
    let (time, end) = match shift.at {
        None => (Value::Null, Value::Null),
        Some(At::Time(ms)) => (ms.into(), Value::Null),
        Some(At::Start) => (Value::Null, "start".into()),
        Some(At::End) => (Value::Null, "end".into()),
    };
    node["offset"] = shift.offset_ms.unwrap_or(0).into();
    node["timestamp"] = time;
    node["startOrEnd"] = end;
}

fn of_binary(binary: &Binary, text: &str) -> Value {
    let (labels, on) = match &binary.matching {
        Grouping::These(labels) => (labels, true),
        Grouping::AllBut(labels) => (labels, false),
    };
    let (card, include) = match &binary.many {
        Many::Neither if binary.operator.is_set() => ("many-to-many", [].as_slice()),
        Many::Neither => ("one-to-one", [].as_slice()),
        Many::Left(include) => ("many-to-one", include.as_slice()),
        Many::Right(include) => ("one-to-many", include.as_slice()),
    };
    let matching = json!({ "card": card, "labels": labels, "on": on, "include": include });
    json!({
        "type": "binaryExpr",
        "op": binary.operator.text(),
        "lhs": tree(&binary.left, text),
        "rhs": tree(&binary.right, text),
        "matching": if matches_series(binary) { matching } else { Value::Null },
        "bool": binary.returns_bool,
    })
}

fn of_aggregate(aggregate: &Aggregate, text: &str) -> Value {
    let (grouping, without) = match &aggregate.grouping {
        Grouping::These(labels) => (labels, false),
        Grouping::AllBut(labels) => (labels, true),
    };
    json!({
        "type": "aggregation",
        "op": aggregate.aggregation.text(),
        "expr": tree(&aggregate.inner, text),
        "param": aggregate.param.as_ref().map(|param| tree(param, text)),
        "grouping": grouping,
        "without": without,
    })
}

fn of_function(function: &Function) -> Value {
    let variadic = match function.extra {
        Extra::No => 0,
        Extra::Optional => 1,
        Extra::Any => -1,
    };
    let args: Vec<&str> = function.args.iter().copied().map(type_word).collect();
    json!({
        "name": function.name,
        "argTypes": args,
        "variadic": variadic,
        "returnType": type_word(function.returns),
    })
}

fn type_word(kind: ValueType) -> &'static str {
    match kind {
        ValueType::Scalar => "scalar",
        ValueType::Text => "string",
        ValueType::Vector => "vector",
        ValueType::Matrix => "matrix",
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Options, parse};
    use super::*;

    fn check(query: &str, expected: &Value) {
        assert_eq!(tree(&parse(query, &Options::default()).unwrap(), query), *expected, "{query}");
    }

    #[test]
    fn a_tree_has_what_its_nodes_have() {
        let named = |name: &str| json!([{ "name": "__name__", "type": "=", "value": name }]);
        let selected = |name: &str| {
            json!({ "type": "vectorSelector", "name": name, "matchers": named(name), "offset": 0,
                "timestamp": null, "startOrEnd": null })
        };
        check("-5", &json!({ "type": "numberLiteral", "val": "-5" }));
        check("'x'", &json!({ "type": "stringLiteral", "val": "x" }));
        check(
            "-(a)",
            &json!({ "type": "unaryExpr", "op": "-",
            "expr": { "type": "parenExpr", "expr": selected("a") } }),
        );
        check(
            "{__name__=\"a\"}",
            &json!({ "type": "vectorSelector", "name": "", "matchers": named("a"),
            "offset": 0, "timestamp": null, "startOrEnd": null }),
        );
        check(
            "rate(a{b!=\"c\"}[5m] @ 1.5 offset 1m)",
            &json!({ "type": "call",
            "func": { "name": "rate", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector" },
            "args": [{ "type": "matrixSelector", "name": "a", "range": 300_000, "offset": 60_000,
                "timestamp": 1500, "startOrEnd": null, "matchers": [
                    { "name": "b", "type": "!=", "value": "c" },
                    { "name": "__name__", "type": "=", "value": "a" }] }] }),
        );
        check(
            "topk(2, a) without (x)",
            &json!({ "type": "aggregation", "op": "topk", "expr": selected("a"),
            "param": { "type": "numberLiteral", "val": "2" }, "grouping": ["x"], "without": true }),
        );
        check(
            "min_over_time(a[1h:] @ end())",
            &json!({ "type": "call",
            "func": { "name": "min_over_time", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector" },
            "args": [{ "type": "subquery", "expr": selected("a"), "range": 3_600_000, "step": 0, "offset": 0,
                "timestamp": null, "startOrEnd": "end" }] }),
        );
    }

    #[test]
    fn an_operator_says_how_it_matches() {
        let matching = |query: &str| {
            let tree = tree(&parse(query, &Options::default()).unwrap(), query);
            (tree["op"].clone(), tree["bool"].clone(), tree["matching"].clone())
        };
        let cases = [
            ("1 + 2", "+", false, Value::Null),
            ("a + b", "+", false, json!({ "card": "one-to-one", "labels": [], "on": false, "include": [] })),
            (
                "a and on () b",
                "and",
                false,
                json!({ "card": "many-to-many", "labels": [], "on": true, "include": [] }),
            ),
            (
                "a > bool ignoring (x) group_right (y) b",
                ">",
                true,
                json!({ "card": "one-to-many", "labels": ["x"], "on": false, "include": ["y"] }),
            ),
        ];
        for (query, op, bool, expected) in cases {
            assert_eq!(matching(query), (op.into(), bool.into(), expected), "{query}");
        }
    }
}
