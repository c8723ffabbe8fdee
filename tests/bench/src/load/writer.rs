//! Writes a message of OTLP as protobuf or as JSON, and notes the places that change with every send.

use super::template::{Change, Patch};
use super::text::{Piece, Text};

/// How requests are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Protobuf.
    Protobuf,
    /// OTLP JSON.
    Json,
}

/// A field of a message: its number, and its name in JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field(pub(super) u32, pub(super) &'static str);

/// Wire types of protobuf.
const VARINT: u32 = 0;
const EIGHT_BYTES: u32 = 1;
const LENGTH_DELIMITED: u32 = 2;
const FOUR_BYTES: u32 = 5;

/// A message that is being written.
#[derive(Debug)]
pub(super) struct Writer {
    form: Form,
    bytes: Vec<u8>,
    patches: Vec<Patch>,
}

impl Writer {
    /// A whole message with its places.
    pub(super) fn write(form: Form, build: impl FnOnce(&mut Self)) -> (Vec<u8>, Vec<Patch>) {
        let mut writer = Self { form, bytes: Vec::new(), patches: Vec::new() };
        match form {
            Form::Protobuf => build(&mut writer),
            Form::Json => writer.braces(build),
        }
        (writer.bytes, writer.patches)
    }

    /// A message inside this one.
    pub(super) fn message(&mut self, field: Field, build: impl FnOnce(&mut Self)) {
        self.key(field, LENGTH_DELIMITED);
        self.nested(build);
    }

    /// Messages inside this one, one for each item.
    pub(super) fn messages<T>(
        &mut self,
        field: Field,
        items: impl IntoIterator<Item = T>,
        build: impl Fn(&mut Self, T),
    ) {
        match self.form {
            Form::Protobuf => {
                for item in items {
                    self.message(field, |writer| build(writer, item));
                }
            }
            Form::Json => {
                self.key(field, LENGTH_DELIMITED);
                self.brackets(|writer| {
                    for item in items {
                        writer.separate();
                        writer.nested(|writer| build(writer, item));
                    }
                });
            }
        }
    }

    /// A number that protobuf keeps as a varint and JSON as a number: enumerations and numbers of 32 bits.
    pub(super) fn number(&mut self, field: Field, value: u32) {
        self.key(field, VARINT);
        match self.form {
            Form::Protobuf => self.varint(u64::from(value)),
            Form::Json => self.bytes.extend(value.to_string().bytes()),
        }
    }

    /// A number of 32 bits of fixed width.
    pub(super) fn fixed32(&mut self, field: Field, value: u32) {
        self.key(field, FOUR_BYTES);
        match self.form {
            Form::Protobuf => self.bytes.extend(value.to_le_bytes()),
            Form::Json => self.bytes.extend(value.to_string().bytes()),
        }
    }

    /// A number of 64 bits, which JSON keeps in quotes.
    pub(super) fn integer(&mut self, field: Field, value: i64) {
        self.key(field, VARINT);
        match self.form {
            Form::Protobuf => self.varint(value as u64),
            Form::Json => self.bytes.extend(format!("\"{value}\"").bytes()),
        }
    }

    /// True or false.
    pub(super) fn boolean(&mut self, field: Field, value: bool) {
        self.key(field, VARINT);
        match self.form {
            Form::Protobuf => self.varint(u64::from(value)),
            Form::Json => self.bytes.extend(value.to_string().bytes()),
        }
    }

    /// A double that is finite.
    pub(super) fn double(&mut self, field: Field, value: f64) {
        self.key(field, EIGHT_BYTES);
        match self.form {
            Form::Protobuf => self.bytes.extend(value.to_le_bytes()),
            Form::Json => self.bytes.extend(value.to_string().bytes()),
        }
    }

    /// Doubles that are finite.
    pub(super) fn doubles(&mut self, field: Field, values: &[f64]) {
        self.key(field, LENGTH_DELIMITED);
        match self.form {
            Form::Protobuf => {
                self.varint(values.len() as u64 * 8);
                values.iter().for_each(|value| self.bytes.extend(value.to_le_bytes()));
            }
            Form::Json => self.brackets(|writer| {
                for value in values {
                    writer.separate();
                    writer.bytes.extend(value.to_string().bytes());
                }
            }),
        }
    }

    /// Text.
    pub(super) fn text(&mut self, field: Field, text: &Text) {
        self.key(field, LENGTH_DELIMITED);
        match self.form {
            Form::Protobuf => {
                let length: usize = text.0.iter().map(|piece| self.piece_bytes(piece)).sum();
                self.varint(length as u64);
                self.pieces(text);
            }
            Form::Json => self.quotes(|writer| writer.pieces(text)),
        }
    }

    /// Text that never changes.
    pub(super) fn fixed_text(&mut self, field: Field, text: &str) {
        self.text(field, &Text::from(text));
    }

    /// An id: bytes, which JSON has in hexadecimal.
    pub(super) fn id(&mut self, field: Field, change: Change) {
        self.key(field, LENGTH_DELIMITED);
        match self.form {
            Form::Protobuf => {
                self.varint(change.width(self.form) as u64);
                self.place(change);
            }
            Form::Json => self.quotes(|writer| writer.place(change)),
        }
    }

    /// A time, which JSON has in quotes.
    pub(super) fn time(&mut self, field: Field, change: Change) {
        self.key(field, EIGHT_BYTES);
        match self.form {
            Form::Protobuf => self.place(change),
            Form::Json => self.quotes(|writer| writer.place(change)),
        }
    }

    /// A number of fixed width that changes. JSON has it without quotes, which readers take as well, because
    /// blanks may fill its place there.
    pub(super) fn changing(&mut self, field: Field, change: Change) {
        self.key(field, EIGHT_BYTES);
        self.place(change);
    }

    /// Several such numbers.
    pub(super) fn all_changing(&mut self, field: Field, changes: &[Change]) {
        self.key(field, LENGTH_DELIMITED);
        match self.form {
            Form::Protobuf => {
                self.varint(changes.len() as u64 * 8);
                changes.iter().for_each(|change| self.place(*change));
            }
            Form::Json => self.brackets(|writer| {
                for change in changes {
                    writer.separate();
                    writer.place(*change);
                }
            }),
        }
    }

    fn key(&mut self, field: Field, wire: u32) {
        match self.form {
            Form::Protobuf => self.varint(u64::from(field.0 << 3 | wire)),
            Form::Json => {
                self.separate();
                self.quotes(|writer| writer.bytes.extend(field.1.bytes()));
                self.bytes.push(b':');
            }
        }
    }

    /// A comma, unless nothing stands before.
    fn separate(&mut self) {
        if !matches!(self.bytes.last(), None | Some(b'{' | b'[')) {
            self.bytes.push(b',');
        }
    }

    fn nested(&mut self, build: impl FnOnce(&mut Self)) {
        match self.form {
            Form::Json => self.braces(build),
            // The length stands before the message, so it is written apart.
            Form::Protobuf => {
                let mut inner = Self { form: self.form, bytes: Vec::new(), patches: Vec::new() };
                build(&mut inner);
                self.varint(inner.bytes.len() as u64);
                let start = self.bytes.len();
                self.bytes.extend(inner.bytes);
                self.patches.extend(
                    inner.patches.into_iter().map(|patch| Patch { offset: patch.offset + start, ..patch }),
                );
            }
        }
    }

    fn braces(&mut self, build: impl FnOnce(&mut Self)) {
        self.bytes.push(b'{');
        build(self);
        self.bytes.push(b'}');
    }

    fn brackets(&mut self, build: impl FnOnce(&mut Self)) {
        self.bytes.push(b'[');
        build(self);
        self.bytes.push(b']');
    }

    fn quotes(&mut self, build: impl FnOnce(&mut Self)) {
        self.bytes.push(b'"');
        build(self);
        self.bytes.push(b'"');
    }

    fn piece_bytes(&self, piece: &Piece) -> usize {
        match piece {
            Piece::Fixed(text) => text.len(),
            Piece::Changing(change) => change.width(self.form),
        }
    }

    fn pieces(&mut self, text: &Text) {
        for piece in &text.0 {
            match piece {
                Piece::Changing(change) => self.place(*change),
                Piece::Fixed(text) if self.form == Form::Protobuf => self.bytes.extend(text.bytes()),
                Piece::Fixed(text) => {
                    let quoted = serde_json::Value::from(text.as_str()).to_string();
                    self.bytes.extend(quoted[1..quoted.len() - 1].bytes());
                }
            }
        }
    }

    /// Room for what changes, filled by every send.
    fn place(&mut self, change: Change) {
        let offset = self.bytes.len();
        self.bytes.resize(offset + change.width(self.form), b'0');
        self.patches.push(Patch { offset, change });
    }

    fn varint(&mut self, value: u64) {
        let mut left = value;
        while left >= 0x80 {
            self.bytes.push(left as u8 | 0x80);
            left >>= 7;
        }
        self.bytes.push(left as u8);
    }
}
