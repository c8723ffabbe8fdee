//! Templates: a log body as the text that its statement always writes, and the variables of this one.
//!
//! Two uses. A segment keeps a body as the number of its template and its variables: [`Miner::split`] takes it
//! apart, [`join`] gives exactly its bytes back. People see templates with counts: [`Clusters`] joins those that
//! one statement wrote, with the same rules for all logs.
//!
//! - *Template*: text with a [`PLACEHOLDER`] at each variable.
//! - *Variables*: the texts at the placeholders, in order, joined by [`SEPARATOR`]; none is empty.
//! - *Masked*: a body whose variables by shape (numbers, addresses, identifiers) are replaced; `mask`.
//! - *Group*: the masked bodies with the same punctuation and number of words. In it, a word that takes many
//!   values where all else is the same becomes a variable as well; `groups`.
//!
//! - *Known*: the templates of everything that a tenant has stored, joined, by which a row gets the identity that
//!   people see; `known`.
//!
//! A variable begins and ends where a token of the index does: the tokens of a body are those of the literal text
//! of its template and those of its variables, together.

mod clusters;
mod groups;
mod mask;
mod miner;
mod words;
mod variables;
mod known;

#[cfg(test)]
mod tests;

pub use clusters::Clusters;
pub use known::Templates;
pub(crate) use known::{Origin, Registry, Seen, TEMPLATE_ID, TEMPLATE_VARIABLES, digits, hash};
pub use miner::{Miner, TemplateNumber};

/// Stands in a template for a variable. A body that holds it is kept whole.
pub const PLACEHOLDER: char = '\u{1a}';
/// Stands between two variables. A body that holds it is kept whole.
pub const SEPARATOR: char = '\u{1f}';
/// A longer body is kept whole.
pub const BODY_BYTES_MAX: usize = 32 << 10;
/// A body with more variables is kept whole.
pub const TOKENS_MAX: usize = 1024;
/// A miner gives no more templates than this, and keeps further bodies whole.
pub const TEMPLATES_MAX: usize = 16_384;
/// A miner's templates are no longer than this together.
pub const TEMPLATE_BYTES_MAX: usize = 4 << 20;

/// How a variable is shown to people.
const SHOWN: &str = "<*>";

/// Appends the body that was split into this template and these variables, byte for byte. False if their numbers
/// differ, which means damage; `out` is then as it was.
pub fn join(template: &str, variables: &str, out: &mut String) -> bool {
    let start = out.len();
    let mut variables = (!variables.is_empty()).then(|| variables.split(SEPARATOR)).into_iter().flatten();
    let mut pieces = template.split(PLACEHOLDER);
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let Some(variable) = variables.next() else {
            out.truncate(start);
            return false;
        };
        out.push_str(variable);
        out.push_str(piece);
    }
    let whole = variables.next().is_none();
    if !whole {
        out.truncate(start);
    }
    whole
}

/// A template as people read it.
pub fn shown(template: &str) -> String {
    template.replace(PLACEHOLDER, SHOWN)
}

/// The lasting identity of a template that stands alone: a hash of its words and of where values stand among them.
/// Written as 16 hexadecimal digits.
pub fn id(template: &str) -> u64 {
    Clusters::new([template]).ids()[0]
}
