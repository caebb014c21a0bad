//! serde types out of a tree, with every mistake found at once. serde stops at the first error; so each one is noted,
//! the value it came from is left out, and the tree is read again until nothing fails. Unknown keys are noted on the
//! way, with the known one that was probably meant.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::str::FromStr;

use serde::de::value::{BorrowedStrDeserializer, U32Deserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use crate::model::Reason;

use super::located;
use super::node::{Key, Kind, Node, Problem, Span, is_null};
use super::suggest::closest;

/// A custom error that begins with this is about something that exists in the design but not in the program.
pub const NOT_YET: &str = "not yet: ";
/// Between a custom error's message and what to do about it: the words that begin that.
const HELP: [&str; 2] = ["write ", "did you mean "];
/// More mistakes than this are not read by anybody.
const MAX_PROBLEMS: usize = 100;

/// Reads a value, or returns everything that is wrong with the tree, in the order of the file.
pub fn read<T: DeserializeOwned>(node: &Node) -> Result<T, Vec<Problem>> {
    let notes = Notes::default();
    let mut value = None;
    for _ in 0..MAX_PROBLEMS {
        match T::deserialize(Reader { node, notes: &notes }) {
            Ok(read) => {
                value = Some(read);
                break;
            }
            Err(error) => {
                // The root itself cannot be left out.
                if notes.note(error, node) == identity(node) || notes.is_full() {
                    break;
                }
            }
        }
    }
    let problems: Vec<Problem> = notes.problems.into_inner().into_values().collect();
    match value {
        Some(value) if problems.is_empty() => Ok(value),
        _ => Err(problems),
    }
}

/// What was found so far, and what is therefore left out.
#[derive(Default)]
struct Notes {
    problems: RefCell<BTreeMap<Span, Problem>>,
    left_out: RefCell<HashSet<usize>>,
}

impl Notes {
    /// Keeps the error and leaves its node out from now on; returns that node.
    fn note(&self, error: Error, root: &Node) -> usize {
        let node = error.node.unwrap_or_else(|| identity(root));
        self.left_out.borrow_mut().insert(node);
        if !error.follows {
            let span = error.span.unwrap_or(root.span);
            self.problem(Problem { span, reason: error.reason, message: error.message, help: error.help });
        }
        node
    }

    fn problem(&self, problem: Problem) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < MAX_PROBLEMS {
            problems.entry(problem.span).or_insert(problem);
        }
    }

    /// More would not be shown.
    fn is_full(&self) -> bool {
        self.problems.borrow().len() >= MAX_PROBLEMS
    }

    fn has(&self, place: Span) -> bool {
        self.problems.borrow().contains_key(&place)
    }

    fn is_left_out(&self, node: &Node) -> bool {
        self.left_out.borrow().contains(&identity(node))
    }
}

/// Nodes do not move while they are read.
fn identity(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

#[derive(Debug)]
struct Error {
    reason: Reason,
    message: String,
    help: Option<String>,
    node: Option<usize>,
    span: Option<Span>,
    /// It only came about because something else had been left out.
    follows: bool,
}

impl Error {
    fn new(reason: Reason, message: String, help: Option<String>) -> Self {
        Self { reason, message, help, node: None, span: None, follows: false }
    }

    /// Gives an error that has no place yet the node it came from.
    fn at(mut self, node: &Node, follows: bool) -> Self {
        if self.node.is_none() {
            self.node = Some(identity(node));
            self.span = Some(node.span);
            self.follows = follows;
        }
        self
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        if let Some(what) = text.strip_prefix(NOT_YET) {
            return Self::new(Reason::NotYetSupported, format!("not yet supported: {what}"), Some("take it out for now".to_owned()));
        }
        let help = HELP.iter().find_map(|begins| text.find(&format!("; {begins}")));
        match help {
            Some(at) => Self::new(Reason::InvalidValue, text[..at].to_owned(), Some(text[at + "; ".len()..].to_owned())),
            None => Self::new(Reason::InvalidValue, text, None),
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let help = match closest(variant, expected.iter().copied()) {
            Some(meant) => format!("did you mean {meant}? allowed here: {}", expected.join(", ")),
            None => format!("allowed here: {}", expected.join(", ")),
        };
        Self::new(Reason::InvalidValue, format!("`{variant}` is not one of the values allowed here"), Some(help))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Reason::MissingField, format!("the key \"{field}\" is missing here"), None)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[derive(Clone, Copy)]
struct Reader<'n> {
    node: &'n Node,
    notes: &'n Notes,
}

impl<'n> Reader<'n> {
    fn wrong(self, expected: &dyn fmt::Display) -> Error {
        Error::new(Reason::InvalidValue, format!("expected {expected}, found {}", self.node.describe()), None).at(self.node, false)
    }

    fn scalar(self, expected: &str) -> Result<&'n str, Error> {
        match &self.node.kind {
            Kind::Scalar { text, .. } if !self.node.is_null() => Ok(text),
            _ => Err(self.wrong(&expected)),
        }
    }

    fn number<N: FromStr>(self, expected: &str) -> Result<N, Error> {
        match &self.node.kind {
            Kind::Scalar { text, plain: true } => text.parse().map_err(|_| self.wrong(&expected)),
            _ => Err(self.wrong(&expected)),
        }
    }

    /// Gives an error that a whole value raised this node. Where a part of the value is left out, it only follows.
    fn blame(self, error: Error) -> Error {
        let follows = match &self.node.kind {
            Kind::Mapping(entries) => entries.iter().any(|(key, value)| self.notes.is_left_out(value) || self.notes.has(key.span)),
            Kind::Scalar { .. } | Kind::Sequence(_) => false,
        };
        error.at(self.node, follows)
    }

    fn sequence<V: Visitor<'n>>(self, items: &'n [Node], visitor: V) -> Result<V::Value, Error> {
        let mut access = Items { items: items.iter(), notes: self.notes };
        visitor.visit_seq(&mut access).map_err(|error| error.at(self.node, false))
    }

    fn mapping<V: Visitor<'n>>(self, entries: &'n [(Key, Node)], known: Option<&'static [&'static str]>, visitor: V) -> Result<V::Value, Error> {
        let mut access = Entries { rest: entries.iter(), known, value: None, notes: self.notes, left_out: false };
        let result = visitor.visit_map(&mut access);
        let left_out = access.left_out;
        result.map_err(|error| error.at(self.node, left_out))
    }

    /// The place first, then the value: what [`super::Located`] asks for.
    fn located<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        let Span { file, line, column, width } = self.node.span;
        let place = Place { numbers: [width, column, line, file].to_vec(), value: Some(self) };
        visitor.visit_map(place).map_err(|error| self.blame(error))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty),*) => {
        $(fn $method<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
            let number = self.number::<$type>("a whole number")?;
            visitor.$visit(number).map_err(|error: Error| error.at(self.node, false))
        })*
    };
}

impl<'n> de::Deserializer<'n> for Reader<'n> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match &self.node.kind {
            Kind::Sequence(items) => return self.sequence(items, visitor),
            Kind::Mapping(entries) => return self.mapping(entries, None, visitor),
            Kind::Scalar { text, plain: false } => visitor.visit_borrowed_str(text),
            Kind::Scalar { text, plain: true } => visit_plain(text, visitor),
        };
        result.map_err(|error| error.at(self.node, false))
    }

    fn deserialize_bool<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.kind {
            Kind::Scalar { text, plain: true } => match boolean(text) {
                Some(value) => visitor.visit_bool(value),
                None => Err(self.wrong(&"true or false")),
            },
            _ => Err(self.wrong(&"true or false")),
        }
    }

    numbers!(
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64
    );

    fn deserialize_f32<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f64(self.number::<f64>("a number")?)
    }

    fn deserialize_char<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.scalar("a text")?).map_err(|error: Error| error.at(self.node, false))
    }

    fn deserialize_string<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.node.is_null() { visitor.visit_unit() } else { Err(self.wrong(&"nothing")) }
    }

    fn deserialize_unit_struct<V: Visitor<'n>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'n>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.kind {
            Kind::Sequence(items) => self.sequence(items, visitor),
            _ if self.node.is_null() => self.sequence(&[], visitor),
            _ => Err(self.wrong(&"a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'n>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'n>>(self, _: &'static str, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.kind {
            Kind::Mapping(entries) => self.mapping(entries, None, visitor),
            _ if self.node.is_null() => self.mapping(&[], None, visitor),
            _ => Err(self.wrong(&"a mapping")),
        }
    }

    fn deserialize_struct<V: Visitor<'n>>(self, name: &'static str, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        if name == located::STRUCT {
            return self.located(visitor);
        }
        match &self.node.kind {
            Kind::Mapping(entries) => self.mapping(entries, Some(fields), visitor),
            _ if self.node.is_null() => self.mapping(&[], Some(fields), visitor),
            _ => Err(self.wrong(&"a mapping")),
        }
    }

    fn deserialize_enum<V: Visitor<'n>>(self, _: &'static str, variants: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        let text = self.scalar(&format!("one of {}", variants.join(", ")))?;
        visitor.visit_enum(text.into_deserializer()).map_err(|error: Error| error.at(self.node, false))
    }

    fn deserialize_identifier<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

/// YAML 1.2 core schema, section 10.3.2.
fn visit_plain<'n, V: Visitor<'n>>(text: &'n str, visitor: V) -> Result<V::Value, Error> {
    if is_null(text) {
        visitor.visit_unit()
    } else if let Some(value) = boolean(text) {
        visitor.visit_bool(value)
    } else if let Ok(number) = text.parse() {
        visitor.visit_i64(number)
    } else if let Some(number) = text.parse().ok().filter(|_| text.starts_with(|c: char| c.is_ascii_digit() || c == '-')) {
        visitor.visit_f64(number)
    } else {
        visitor.visit_borrowed_str(text)
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

struct Items<'n> {
    items: std::slice::Iter<'n, Node>,
    notes: &'n Notes,
}

impl<'n> SeqAccess<'n> for &mut Items<'n> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'n>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        match self.items.find(|item| !self.notes.is_left_out(item)) {
            Some(node) => {
                let reader = Reader { node, notes: self.notes };
                seed.deserialize(reader).map(Some).map_err(|error| reader.blame(error))
            }
            None => Ok(None),
        }
    }
}

struct Entries<'n> {
    rest: std::slice::Iter<'n, (Key, Node)>,
    /// The keys of a struct; `None`: any key goes.
    known: Option<&'static [&'static str]>,
    value: Option<&'n Node>,
    notes: &'n Notes,
    left_out: bool,
}

impl<'n> MapAccess<'n> for &mut Entries<'n> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'n>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        for (key, value) in self.rest.by_ref() {
            if self.notes.is_left_out(value) {
                self.left_out = true;
            } else if let Some(known) = self.known.filter(|known| !known.contains(&key.text.as_str())) {
                self.left_out = true;
                if !self.notes.is_full() {
                    self.notes.problem(unknown(key, known));
                }
            } else {
                self.value = Some(value);
                return seed.deserialize(BorrowedStrDeserializer::new(&key.text)).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'n>>(&mut self, seed: V) -> Result<V::Value, Error> {
        match self.value.take() {
            Some(node) => {
                let reader = Reader { node, notes: self.notes };
                seed.deserialize(reader).map_err(|error| reader.blame(error))
            }
            None => Err(de::Error::custom("a value was asked for before its key")),
        }
    }
}

fn unknown(key: &Key, known: &[&str]) -> Problem {
    let allowed = format!("allowed here: {}", known.join(", "));
    let help = match closest(&key.text, known.iter().copied()) {
        Some(meant) => format!("did you mean \"{meant}\"? {allowed}"),
        None => allowed,
    };
    Problem { span: key.span, reason: Reason::UnknownField, message: format!("unknown key \"{}\"", key.text), help: Some(help) }
}

/// The entries that a [`super::Located`] reads: four numbers and the value.
struct Place<'n> {
    numbers: Vec<u32>,
    value: Option<Reader<'n>>,
}

impl<'n> MapAccess<'n> for Place<'n> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'n>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let index = located::FIELDS.len() - 1 - self.numbers.len();
        if index == located::FIELDS.len() - 1 && self.value.is_none() {
            return Ok(None);
        }
        seed.deserialize(BorrowedStrDeserializer::new(located::FIELDS[index])).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'n>>(&mut self, seed: V) -> Result<V::Value, Error> {
        match (self.numbers.pop(), self.value) {
            (Some(number), _) => seed.deserialize(U32Deserializer::new(number)),
            (None, Some(reader)) => {
                self.value = None;
                seed.deserialize(reader)
            }
            (None, None) => Err(de::Error::invalid_length(located::FIELDS.len(), &"a place and a value")),
        }
    }
}

#[cfg(test)]
mod tests;
