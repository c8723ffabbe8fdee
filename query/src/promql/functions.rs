//! All functions, by name: what they take and give.

use super::ast::ValueType;

/// How many arguments a function may have beyond those without which it does not go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    /// None.
    No,
    /// The last one may be left out.
    Optional,
    /// The last one may be left out or repeated.
    Any,
}

/// A function of the language.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// What its arguments are.
    pub args: &'static [ValueType],
    /// Whether the last may be left out or repeated.
    pub extra: Extra,
    /// What it gives.
    pub returns: ValueType,
    /// Whether it has to be allowed by [`super::Options::experimental_functions`].
    pub experimental: bool,
}

impl Function {
    /// The function of a name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok().map(|found| &FUNCTIONS[found])
    }

    /// What the argument of a number has to be.
    pub(super) fn arg(&self, number: usize) -> ValueType {
        self.args.get(number).or(self.args.last()).copied().unwrap_or(ValueType::Vector)
    }
}

const fn plain(name: &'static str, args: &'static [ValueType]) -> Function {
    Function { name, args, extra: Extra::No, returns: ValueType::Vector, experimental: false }
}

const fn extra(name: &'static str, args: &'static [ValueType], extra: Extra) -> Function {
    Function { name, args, extra, returns: ValueType::Vector, experimental: false }
}

const fn scalar(name: &'static str, args: &'static [ValueType]) -> Function {
    Function { name, args, extra: Extra::No, returns: ValueType::Scalar, experimental: false }
}

const fn trial(name: &'static str, args: &'static [ValueType], extra: Extra) -> Function {
    Function { name, args, extra, returns: ValueType::Vector, experimental: true }
}

const S: ValueType = ValueType::Scalar;
const T: ValueType = ValueType::Text;
const V: ValueType = ValueType::Vector;
const M: ValueType = ValueType::Matrix;

/// In order of their names.
static FUNCTIONS: [Function; 80] = [
    plain("abs", &[V]),
    plain("absent", &[V]),
    plain("absent_over_time", &[M]),
    plain("acos", &[V]),
    plain("acosh", &[V]),
    plain("asin", &[V]),
    plain("asinh", &[V]),
    plain("atan", &[V]),
    plain("atanh", &[V]),
    plain("avg_over_time", &[M]),
    plain("ceil", &[V]),
    plain("changes", &[M]),
    plain("clamp", &[V, S, S]),
    plain("clamp_max", &[V, S]),
    plain("clamp_min", &[V, S]),
    plain("cos", &[V]),
    plain("cosh", &[V]),
    plain("count_over_time", &[M]),
    extra("day_of_month", &[V], Extra::Optional),
    extra("day_of_week", &[V], Extra::Optional),
    extra("day_of_year", &[V], Extra::Optional),
    extra("days_in_month", &[V], Extra::Optional),
    plain("deg", &[V]),
    plain("delta", &[M]),
    plain("deriv", &[M]),
    trial("double_exponential_smoothing", &[M, S, S], Extra::No),
    plain("exp", &[V]),
    plain("floor", &[V]),
    plain("histogram_avg", &[V]),
    plain("histogram_count", &[V]),
    plain("histogram_fraction", &[S, S, V]),
    plain("histogram_quantile", &[S, V]),
    plain("histogram_stddev", &[V]),
    plain("histogram_stdvar", &[V]),
    plain("histogram_sum", &[V]),
    extra("hour", &[V], Extra::Optional),
    plain("idelta", &[M]),
    plain("increase", &[M]),
    trial("info", &[V, V], Extra::Optional),
    plain("irate", &[M]),
    extra("label_join", &[V, T, T, T], Extra::Any),
    plain("label_replace", &[V, T, T, T, T]),
    plain("last_over_time", &[M]),
    plain("ln", &[V]),
    plain("log10", &[V]),
    plain("log2", &[V]),
    trial("mad_over_time", &[M], Extra::No),
    plain("max_over_time", &[M]),
    plain("min_over_time", &[M]),
    extra("minute", &[V], Extra::Optional),
    extra("month", &[V], Extra::Optional),
    scalar("pi", &[]),
    plain("predict_linear", &[M, S]),
    plain("present_over_time", &[M]),
    plain("quantile_over_time", &[S, M]),
    plain("rad", &[V]),
    plain("rate", &[M]),
    plain("resets", &[M]),
    extra("round", &[V, S], Extra::Optional),
    scalar("scalar", &[V]),
    plain("sgn", &[V]),
    plain("sin", &[V]),
    plain("sinh", &[V]),
    plain("sort", &[V]),
    trial("sort_by_label", &[V, T], Extra::Any),
    trial("sort_by_label_desc", &[V, T], Extra::Any),
    plain("sort_desc", &[V]),
    plain("sqrt", &[V]),
    plain("stddev_over_time", &[M]),
    plain("stdvar_over_time", &[M]),
    plain("sum_over_time", &[M]),
    plain("tan", &[V]),
    plain("tanh", &[V]),
    scalar("time", &[]),
    plain("timestamp", &[V]),
    trial("ts_of_last_over_time", &[M], Extra::No),
    trial("ts_of_max_over_time", &[M], Extra::No),
    trial("ts_of_min_over_time", &[M], Extra::No),
    plain("vector", &[S]),
    extra("year", &[V], Extra::Optional),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for function in &FUNCTIONS {
            assert_eq!(Function::named(function.name), Some(function));
        }
        assert_eq!(Function::named("nope"), None);
    }
}
