//! Text to tree. Bounded against files that are small but grow: depth, and nodes after aliases are expanded.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span as ParserSpan};

use crate::model::Reason;

use super::node::{Key, Kind, Node, Problem, Span};

/// Nodes of one file, anchors and aliases copied out. Ten thousand routes are about a quarter of this; an alias bomb is past it at once.
const MAX_NODES: usize = 1_000_000;
/// A text counts as one more node for each so many bytes, so that repeating a long one is not free.
const NODE_BYTES: usize = 64;
/// Collections within each other. Reading recurses, so this bounds the stack.
const MAX_DEPTH: usize = 64;

/// Reads every document of a text. `file` is the index that spans get.
///
/// The first mistake ends the reading: what follows a syntax error cannot be trusted to mean what it says.
pub fn parse(text: &str, file: u32) -> Result<Vec<Node>, Problem> {
    let options = granit_parser::options! { flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH, emit_comments: false };
    Builder { parser: Parser::new_from_str_with_options(text, options), file, anchors: HashMap::new(), nodes: 0 }.documents()
}

struct Builder<'t, I: granit_parser::BorrowedInput<'t>> {
    parser: Parser<'t, I>,
    file: u32,
    /// Anchored nodes with the number of nodes in each.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl<'t, I: granit_parser::BorrowedInput<'t>> Builder<'t, I> {
    fn documents(mut self) -> Result<Vec<Node>, Problem> {
        let mut documents = Vec::new();
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                event => documents.push(self.node(event, span, 0)?),
            }
        }
        Ok(documents)
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, ParserSpan)>, Problem> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok(pair)) => Ok(Some(pair)),
            Some(Err(error)) => Err(self.syntax(&error)),
        }
    }

    fn expect(&mut self) -> Result<(Event<'t>, ParserSpan), Problem> {
        match self.next()? {
            Some(pair) => Ok(pair),
            None => Err(problem(Span { file: self.file, ..Span::default() }, "the file ends too early".to_owned(), None)),
        }
    }

    fn node(&mut self, event: Event<'t>, at: ParserSpan, depth: usize) -> Result<Node, Problem> {
        let span = self.span(at);
        if depth > MAX_DEPTH {
            return Err(problem(span, format!("more than {MAX_DEPTH} levels of nesting"), None));
        }
        let before = self.nodes;
        self.count(1 + if let Event::Scalar(text, ..) = &event { text.len() / NODE_BYTES } else { 0 }, span)?;
        let (kind, anchor) = match event {
            Event::Alias(id) => return self.alias(id, span),
            Event::Scalar(text, style, anchor, _) => (Kind::Scalar { text: text.into_owned(), plain: matches!(style, ScalarStyle::Plain) }, anchor),
            Event::SequenceStart(_, anchor, _) => (self.sequence(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.mapping(depth)?, anchor),
            _ => return Err(problem(span, "a value is missing here".to_owned(), None)),
        };
        let node = Node { span, kind };
        if anchor != 0 {
            let nodes = self.nodes - before;
            self.count(nodes, span)?;
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Result<Kind, Problem> {
        let mut items = Vec::new();
        loop {
            match self.expect()? {
                (Event::SequenceEnd, _) => return Ok(Kind::Sequence(items)),
                (event, at) => items.push(self.node(event, at, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Kind, Problem> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut seen: HashMap<String, u32> = HashMap::new();
        let mut defaults = Vec::new();
        loop {
            let (event, at) = self.expect()?;
            if matches!(event, Event::MappingEnd) {
                for value in defaults {
                    merge_key(&mut entries, &mut seen, value);
                }
                return Ok(Kind::Mapping(entries));
            }
            let key = self.node(event, at, depth + 1)?;
            let (event, at) = self.expect()?;
            let value = self.node(event, at, depth + 1)?;
            let Kind::Scalar { text, .. } = key.kind else {
                return Err(problem(key.span, "a key must be a text".to_owned(), None));
            };
            if text == "<<" {
                defaults.push(value);
                continue;
            }
            if let Some(line) = seen.insert(text.clone(), key.span.line) {
                return Err(problem(key.span, format!("the key \"{text}\" is already there, on line {line}"), Some("keep one of the two")));
            }
            entries.push((Key { text, span: key.span }, value));
        }
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Node, Problem> {
        let Some((node, nodes)) = self.anchors.get(&id) else {
            return Err(problem(span, "this alias is used inside of what it stands for".to_owned(), None));
        };
        let (node, nodes) = (node.clone(), *nodes);
        self.count(nodes, span)?;
        Ok(node)
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            let help = "aliases that repeat aliases grow without end; write the values out";
            return Err(problem(span, format!("more than {MAX_NODES} values once aliases are filled in"), Some(help)));
        }
        Ok(())
    }

    fn span(&self, at: ParserSpan) -> Span {
        let width = if at.end.line() == at.start.line() { at.end.col().saturating_sub(at.start.col()) } else { 1 };
        Span { width: narrow(width), ..self.point(at.start) }
    }

    fn point(&self, at: Marker) -> Span {
        Span { file: self.file, line: narrow(at.line()), column: narrow(at.col() + 1), width: 1 }
    }

    fn syntax(&self, error: &ScanError) -> Problem {
        let message = format!("this is not YAML: {}", error.info());
        problem(self.point(*error.marker()), message, None)
    }
}

fn problem(span: Span, message: String, help: Option<&str>) -> Problem {
    Problem { span, reason: Reason::InvalidSyntax, message, help: help.map(str::to_owned) }
}

/// `<<: *defaults`, as YAML 1.1 and Compose files have it: keys that are not set otherwise.
fn merge_key(entries: &mut Vec<(Key, Node)>, seen: &mut HashMap<String, u32>, value: Node) {
    match value.kind {
        Kind::Mapping(more) => {
            for (key, value) in more {
                if !seen.contains_key(&key.text) {
                    seen.insert(key.text.clone(), key.span.line);
                    entries.push((key, value));
                }
            }
        }
        Kind::Sequence(items) => items.into_iter().for_each(|item| merge_key(entries, seen, item)),
        Kind::Scalar { .. } => {}
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Problem {
        parse(text, 0).expect_err(text)
    }

    #[test]
    fn places_are_lines_and_columns_from_one() {
        let documents = parse("a: 1\nbb:\n  - x\n  - 'y z'\n", 7).unwrap();
        let list = documents[0].get("bb").unwrap();
        let Kind::Sequence(items) = &list.kind else { panic!("{list:?}") };
        assert_eq!(items[1].span, Span { file: 7, line: 4, column: 5, width: 5 });
        assert!(matches!(&items[1].kind, Kind::Scalar { plain: false, .. }));
    }

    #[test]
    fn a_broken_file_says_where() {
        let broken = refused("listeners:\n  - name: https\n   protocol: HTTP\n");
        assert_eq!((broken.reason, broken.span.line), (Reason::InvalidSyntax, 3), "{broken:?}");
        let twice = refused("a: 1\nb: 2\na: 3\n");
        assert_eq!((twice.span.line, twice.span.column), (3, 1));
        assert!(twice.message.contains("line 1"), "{}", twice.message);
    }

    #[test]
    fn an_alias_bomb_is_refused_and_an_honest_alias_is_not() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let inner = vec![format!("*a{}", level - 1); 10].join(",");
            bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        assert!(refused(&bomb).message.contains("values once aliases"), "{:?}", refused(&bomb));
        let honest = parse("probe: &p {periodSeconds: 5}\nother: *p\nmerged: {<<: *p, timeoutSeconds: 2, periodSeconds: 9}\n", 0).unwrap();
        assert_eq!(honest[0].get("other").and_then(|n| n.get("periodSeconds")).and_then(Node::as_text), Some("5"));
        let merged = honest[0].get("merged").unwrap();
        assert_eq!(merged.get("periodSeconds").and_then(Node::as_text), Some("9"));
        assert_eq!(merged.get("timeoutSeconds").and_then(Node::as_text), Some("2"));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(100_000);
        assert_eq!(refused(&deep).reason, Reason::InvalidSyntax);
        let fine = format!("{}1{}", "[".repeat(30), "]".repeat(30));
        assert!(parse(&fine, 0).is_ok());
    }
}
