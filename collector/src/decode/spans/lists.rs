//! The events and links of spans.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::error::ArrowError;
use model::packed::Zeros;
use model::schema;

use super::{EVENTS, LINKS};
use crate::decode::columns::{Ids, Integers, Lists, Times, finish_texts, finish_times, texts};
use crate::decode::context::{Context, stored_time};
use crate::decode::marks::repair;
use crate::decode::resource::messages;
use crate::decode::wire::{Fields, Parts, WireError};

/// The time of an event.
pub(super) fn event_time(message: &[u8]) -> Result<u64, WireError> {
    let mut time = 0;
    for field in Fields::new(message) {
        let field = field?;
        if field.tag == 1 {
            time = field.fixed64()?;
        }
    }
    Ok(time)
}

/// The column of events.
pub(super) struct Events {
    lists: Lists,
    time: Times,
    name: StringBuilder,
    attributes: StringBuilder,
    dropped_attributes_count: Integers,
    text: String,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            lists: Lists::default(),
            time: Times::default(),
            name: texts(),
            attributes: texts(),
            dropped_attributes_count: Integers::default(),
            text: String::new(),
        }
    }
}

impl Events {
    /// Adds the events of a span, which has so many.
    pub(super) fn push(
        &mut self,
        span: &[u8],
        count: usize,
        context: &mut Context<'_>,
    ) -> Result<(), WireError> {
        self.lists.push(Some(count));
        if count == 0 {
            return Ok(());
        }
        messages(&Parts::One(span), EVENTS).try_for_each(|message| self.push_one(message?, context))
    }

    fn push_one(&mut self, message: &[u8], context: &mut Context<'_>) -> Result<(), WireError> {
        let (mut time, mut name, mut dropped): (u64, &[u8], u32) = (0, &[], 0);
        for field in Fields::new(message) {
            let field = field?;
            match field.tag {
                1 => time = field.fixed64()?,
                2 => name = field.bytes()?,
                3 => drop(field.bytes()?),
                4 => dropped = field.varint32()?,
                _ => {}
            }
        }
        // Checked with the span, so the fallback is never taken.
        self.time.push(stored_time(time).unwrap_or_default().0);
        self.name.append_value(repair(name, &mut context.marks));
        let limited = context.text(messages(&Parts::One(message), 3), &mut self.text)?;
        self.attributes.append_value(&self.text);
        self.dropped_attributes_count.push(i64::from(dropped) + limited);
        Ok(())
    }

    pub(super) fn finish(self, zeros: &mut Zeros) -> Result<ArrayRef, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            finish_times(self.time, zeros),
            finish_texts(self.name),
            finish_texts(self.attributes),
            Arc::new(self.dropped_attributes_count.finish(zeros)),
        ];
        self.lists.finish(schema::event_fields(), columns, zeros)
    }
}

/// The column of links.
pub(super) struct Links {
    lists: Lists,
    trace_id: Ids<16>,
    span_id: Ids<8>,
    trace_state: StringBuilder,
    attributes: StringBuilder,
    dropped_attributes_count: Integers,
    flags: Integers,
    text: String,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            lists: Lists::default(),
            trace_id: Ids::default(),
            span_id: Ids::default(),
            trace_state: texts(),
            attributes: texts(),
            dropped_attributes_count: Integers::default(),
            flags: Integers::default(),
            text: String::new(),
        }
    }
}

impl Links {
    /// Adds the links of a span, which has so many.
    pub(super) fn push(
        &mut self,
        span: &[u8],
        count: usize,
        span_name: &[u8],
        context: &mut Context<'_>,
    ) -> Result<(), WireError> {
        self.lists.push(Some(count));
        if count == 0 {
            return Ok(());
        }
        messages(&Parts::One(span), LINKS).try_for_each(|message| self.push_one(message?, span_name, context))
    }

    fn push_one(
        &mut self,
        message: &[u8],
        span_name: &[u8],
        context: &mut Context<'_>,
    ) -> Result<(), WireError> {
        let (mut trace_id, mut span_id, mut trace_state): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
        let (mut dropped, mut flags) = (0, 0);
        for field in Fields::new(message) {
            let field = field?;
            match field.tag {
                1 => trace_id = field.bytes()?,
                2 => span_id = field.bytes()?,
                3 => trace_state = field.bytes()?,
                4 => drop(field.bytes()?),
                5 => dropped = field.varint32()?,
                6 => flags = field.fixed32()?,
                _ => {}
            }
        }
        self.trace_id.push(context.optional_id(trace_id, span_name));
        self.span_id.push(context.optional_id(span_id, span_name));
        self.trace_state.append_value(repair(trace_state, &mut context.marks));
        let limited = context.text(messages(&Parts::One(message), 4), &mut self.text)?;
        self.attributes.append_value(&self.text);
        self.dropped_attributes_count.push(i64::from(dropped) + limited);
        self.flags.push(i64::from(flags));
        Ok(())
    }

    pub(super) fn finish(self, zeros: &mut Zeros) -> Result<ArrayRef, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            self.trace_id.finish()?,
            self.span_id.finish()?,
            finish_texts(self.trace_state),
            finish_texts(self.attributes),
            Arc::new(self.dropped_attributes_count.finish(zeros)),
            Arc::new(self.flags.finish(zeros)),
        ];
        self.lists.finish(schema::link_fields(), columns, zeros)
    }
}
