//! The variables of a body whose template is known: the body is taken apart the way the template says.

use super::clusters::Piece;
use super::mask::Masked;
use super::{BODY_BYTES_MAX, PLACEHOLDER};

/// What stands in a body at these pieces of its template, in order; `None` if the template is not the body's.
pub(super) fn at<'a>(body: &'a str, template: &str, pieces: &[Piece]) -> Option<Vec<&'a str>> {
    let lengths = lengths(body, template)?;
    let mut lengths = lengths.into_iter();
    let placeholder = |byte: &&u8| **byte == PLACEHOLDER as u8;
    // From the places of the template to those of the body: each placeholder before them has its own length.
    let (mut place, mut offset) = (0, 0);
    let mut to_body = |to: usize| {
        let passed = template.as_bytes().get(place..to)?.iter().filter(placeholder).count();
        offset += to - place - passed + lengths.by_ref().take(passed).sum::<usize>();
        place = to;
        Some(offset)
    };
    let piece = |(from, to): &Piece| body.get(to_body(*from as usize)?..to_body(*to as usize)?);
    pieces.iter().map(piece).collect()
}

/// The bytes of the variable at each placeholder of the template. A placeholder stands for a variable by shape, or
/// for a whole word.
fn lengths(body: &str, template: &str) -> Option<Vec<usize>> {
    let mut masked = Masked::default();
    if body.len() > BODY_BYTES_MAX || !masked.mask(body) {
        return None;
    }
    let mut spans = masked.spans.iter();
    let mut rest = masked.text.as_str();
    let mut lengths = Vec::new();
    let mut pieces = template.split(PLACEHOLDER);
    rest = rest.strip_prefix(pieces.next()?)?;
    for piece in pieces {
        rest = match rest.strip_prefix(PLACEHOLDER) {
            Some(after) => {
                let (from, to) = spans.next()?;
                lengths.push(to - from);
                after
            }
            None => {
                let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
                if end == 0 {
                    return None;
                }
                lengths.push(end);
                &rest[end..]
            }
        };
        rest = rest.strip_prefix(piece)?;
    }
    (rest.is_empty() && spans.next().is_none()).then_some(lengths)
}
