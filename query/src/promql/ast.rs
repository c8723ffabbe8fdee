//! The syntax tree of a query.

use super::functions::Function;
use super::labels::Matcher;

/// What an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// A number per step.
    Scalar,
    /// A text.
    Text,
    /// Series with at most one sample per step.
    Vector,
    /// Series with all samples of a window per step.
    Matrix,
}

impl ValueType {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Text => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
        }
    }
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: Kind,
    /// Where it begins in the text, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// The most nodes on a way down from here, this one counted.
    pub(super) depth: usize,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A number.
    Number(f64),
    /// A text in quotes; what is not UTF-8 stands there as escapes.
    Text {
        /// The text.
        value: String,
        /// Whether all of it is UTF-8.
        utf8: bool,
    },
    /// `metric{label="value"}`
    Selector(Selector),
    /// `metric[5m]`
    Range {
        /// What is selected.
        selector: Selector,
        /// The length of the window.
        range_ms: i64,
    },
    /// `expression[5m:1m]`
    Subquery {
        /// What is evaluated at every inner step.
        inner: Box<Expr>,
        /// The length of the window.
        range_ms: i64,
        /// The inner step, if one is given.
        step_ms: Option<i64>,
        /// When it looks.
        shift: Shift,
    },
    /// An expression in parentheses.
    Paren(Box<Expr>),
    /// `-expression`
    Negate(Box<Expr>),
    /// Two operands.
    Binary(Box<Binary>),
    /// Many series to fewer.
    Aggregate(Box<Aggregate>),
    /// A function and its arguments.
    Call {
        /// The function.
        function: &'static Function,
        /// What it is given.
        args: Vec<Expr>,
    },
}

impl Expr {
    pub(super) fn new(kind: Kind, start: usize, end: usize) -> Self {
        let below = match &kind {
            Kind::Subquery { inner, .. } | Kind::Paren(inner) | Kind::Negate(inner) => inner.depth,
            Kind::Binary(binary) => binary.left.depth.max(binary.right.depth),
            Kind::Aggregate(aggregate) => {
                aggregate.inner.depth.max(aggregate.param.as_ref().map_or(0, |param| param.depth))
            }
            Kind::Call { args, .. } => args.iter().map(|arg| arg.depth).max().unwrap_or(0),
            _ => 0,
        };
        Self { kind, start, end, depth: below + 1 }
    }

    /// What it gives.
    pub fn value_type(&self) -> ValueType {
        match &self.kind {
            Kind::Number(_) => ValueType::Scalar,
            Kind::Text { .. } => ValueType::Text,
            Kind::Selector(_) | Kind::Aggregate(_) => ValueType::Vector,
            Kind::Range { .. } | Kind::Subquery { .. } => ValueType::Matrix,
            Kind::Paren(inner) | Kind::Negate(inner) => inner.value_type(),
            Kind::Binary(binary) => match (binary.left.value_type(), binary.right.value_type()) {
                (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                _ => ValueType::Vector,
            },
            Kind::Call { function, .. } => function.returns,
        }
    }

    /// The expression within parentheses around it.
    pub(super) fn bare(&self) -> &Expr {
        match &self.kind {
            Kind::Paren(inner) => inner.bare(),
            _ => self,
        }
    }
}

/// Which series, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// The conditions, that on the metric's name among them.
    pub matchers: Vec<Matcher>,
    /// When it looks.
    pub shift: Shift,
    /// Its number among the selectors of the query.
    pub(super) number: usize,
}

/// `offset` and `@`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shift {
    /// How much earlier than the step; later if negative.
    pub offset_ms: Option<i64>,
    /// The time to look at in place of the step's.
    pub at: Option<At>,
}

/// The time of an `@`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// A time in milliseconds.
    Time(i64),
    /// The first step of the query.
    Start,
    /// The last step of the query.
    End,
}

/// An operator between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `^`
    Power,
    /// `atan2`
    Atan2,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `and`
    And,
    /// `or`
    Or,
    /// `unless`
    Unless,
}

impl Operator {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    /// Whether it compares.
    pub fn compares(self) -> bool {
        use Operator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        matches!(self, Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual)
    }

    /// Whether it acts on sets of series and not on values.
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// How tightly it binds: more binds tighter.
    pub(super) fn strength(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            operator if operator.compares() => 3,
            Self::Add | Self::Subtract => 4,
            Self::Power => 6,
            _ => 5,
        }
    }
}

/// An operator and its operands.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// The operator.
    pub operator: Operator,
    /// The operand before it.
    pub left: Expr,
    /// The operand after it.
    pub right: Expr,
    /// `bool`: comparisons give 0 or 1 in place of choosing.
    pub returns_bool: bool,
    /// Which labels have to be equal for series to match.
    pub matching: Grouping,
    /// Which side may have several series to one of the other.
    pub many: Many,
}

/// Which labels count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grouping {
    /// `by`, `on`: these.
    These(Vec<String>),
    /// `without`, `ignoring`: all others, and not the metric's name.
    AllBut(Vec<String>),
}

/// Which side of an operator may have several series to one of the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Many {
    /// None.
    Neither,
    /// `group_left`: the left; these labels are taken from the right.
    Left(Vec<String>),
    /// `group_right`: the right; these labels are taken from the left.
    Right(Vec<String>),
}

/// How series are brought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregation {
    /// `sum`
    Sum,
    /// `avg`
    Avg,
    /// `min`
    Min,
    /// `max`
    Max,
    /// `count`
    Count,
    /// `group`
    Group,
    /// `stddev`
    Stddev,
    /// `stdvar`
    Stdvar,
    /// `topk`
    Topk,
    /// `bottomk`
    Bottomk,
    /// `quantile`
    Quantile,
    /// `count_values`
    CountValues,
    /// `limitk`
    Limitk,
    /// `limit_ratio`
    LimitRatio,
}

impl Aggregation {
    /// The aggregation of a name, in whichever case.
    pub(super) fn named(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "min" => Self::Min,
            "max" => Self::Max,
            "count" => Self::Count,
            "group" => Self::Group,
            "stddev" => Self::Stddev,
            "stdvar" => Self::Stdvar,
            "topk" => Self::Topk,
            "bottomk" => Self::Bottomk,
            "quantile" => Self::Quantile,
            "count_values" => Self::CountValues,
            "limitk" => Self::Limitk,
            "limit_ratio" => Self::LimitRatio,
            _ => return None,
        })
    }

    /// Its name.
    pub fn text(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
            Self::Group => "group",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Topk => "topk",
            Self::Bottomk => "bottomk",
            Self::Quantile => "quantile",
            Self::CountValues => "count_values",
            Self::Limitk => "limitk",
            Self::LimitRatio => "limit_ratio",
        }
    }

    /// Whether it needs a flag.
    pub(super) fn is_experimental(self) -> bool {
        matches!(self, Self::Limitk | Self::LimitRatio)
    }

    /// What its parameter is, if it has one.
    pub(super) fn param(self) -> Option<ValueType> {
        match self {
            Self::Topk | Self::Bottomk | Self::Quantile | Self::Limitk | Self::LimitRatio => {
                Some(ValueType::Scalar)
            }
            Self::CountValues => Some(ValueType::Text),
            _ => None,
        }
    }
}

/// An aggregation and what it acts on.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// How.
    pub aggregation: Aggregation,
    /// Which labels tell groups apart.
    pub grouping: Grouping,
    /// The parameter, of those that have one.
    pub param: Option<Expr>,
    /// What is aggregated.
    pub inner: Expr,
}
