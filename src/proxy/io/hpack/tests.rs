use proptest::prelude::*;

use super::*;

/// A literal with a name of its own.
fn literal(first: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut block = vec![first];
    for text in [name, value] {
        put_integer(&mut block, text.len());
        block.extend_from_slice(text);
    }
    block
}

fn look(block: &[u8]) -> Result<Verdict, Unreadable> {
    Fields::default().look(block, Part::Head)
}

fn is_malformed(verdict: &Result<Verdict, Unreadable>) -> bool {
    matches!(verdict, Ok(Verdict::Malformed(_)))
}

#[test]
fn what_may_be_in_a_head_is_fine() {
    for block in [
        // RFC 7541 appendices C.3.1 and C.4.1.
        &[0x82, 0x86, 0x84, 0x41, 0x0f, 0x77, 0x77, 0x77, 0x2e, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x63, 0x6f, 0x6d][..],
        &[0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff],
        &literal(0, b"x-a", b"caf\xe9 \t\"~"),
        &literal(0x10, b"!#$%&'*+-.^_`|~09az", b""),
        &literal(0, b":path", "/a?b=\"{|}\u{e9}".as_bytes()),
        &literal(0, b":method", b"M-SEARCH"),
        &[],
    ] {
        assert_eq!(look(block), Ok(Verdict::Fine), "{block:?}");
    }
}

#[test]
fn what_no_field_may_be_is_malformed() {
    for (name, value) in [
        (&b"X-A"[..], &b"b"[..]),
        (b"", b"bc"),
        (b"x a", b""),
        (b"x:a", b""),
        (b"x\r\na", b""),
        (b"x\"a", b""),
        (b"\xc3\xa9", b""),
        (b"a", b"b\r\nc"),
        (b"a", b"\0"),
        (b"a", b"\x7f"),
        (b":what", b"a"),
        (b":status", b"200"),
        (b":method", b""),
        (b":method", b"G ET"),
        (b":path", b"/a b"),
        (b":path", b"/a#b"),
        (b":path", b"/\xff"),
        (b":authority", b"a\nb"),
        (b":scheme", b"ht tp"),
    ] {
        for first in [0, 0x10, 0x40] {
            let verdict = look(&literal(first, name, value));
            assert!(is_malformed(&verdict), "{} {}: {verdict:?}", name.escape_ascii(), value.escape_ascii());
        }
    }
}

#[test]
fn of_trailers_more_is_asked() {
    let trailers = |block: &[u8], limit| Fields::default().look(block, Part::Trailers(limit));
    let field = literal(0, b"x-a", b"b");
    assert_eq!(trailers(&field, 36), Ok(Verdict::Fine));
    assert!(is_malformed(&trailers(&field, 35)), "they are too large");
    for pseudo in [&[0x84][..], &literal(0, b":path", b"/"), &[0x04, 1, b'/']] {
        assert!(is_malformed(&trailers(pseudo, 1000)), "{pseudo:?}");
    }
}

#[test]
fn what_is_no_block_is_not_replaced() {
    for block in [
        &[0x80][..],
        &[0xbe],
        &[0x40],
        &[0, 1],
        &[0, 1, b'a'],
        &[0, 1, b'a', 5, b'b'],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x3f, 0xe2, 0x1f],
        &[0, 0x81, 0x00, 0],
        &[0x82, 0x20],
    ] {
        assert_eq!(look(block), Err(Unreadable), "{block:?}");
    }
    assert_eq!(look(&literal(0x40, b"", b"")), Err(Unreadable), "nothing else is as short");
}

#[test]
fn a_field_that_was_replaced_is_malformed_whenever_it_is_named_again() {
    let mut fields = Fields::default();
    assert!(is_malformed(&fields.look(&literal(0x40, b"x-a", b"b\nc"), Part::Head)));
    assert_eq!(fields.look(&literal(0x40, b"x-b", b"c"), Part::Head), Ok(Verdict::Fine));
    assert_eq!(fields.look(&[0xbe], Part::Head), Ok(Verdict::Fine), "the newest");
    assert!(is_malformed(&fields.look(&[0xbf], Part::Head)), "the one before");
    assert!(is_malformed(&fields.look(&[0x7f, 0, 1, b'c'], Part::Head)), "its name is gone");
}

fn representations() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![&b"x-a"[..], b"X-A", b"", b":path", b":method", b"x\n", b"a-rather-long-name"]);
    let value = prop_oneof![
        prop::sample::select(vec![&b""[..], b"b", b"/a", b"/a#b", b"b\r\n", b"GET"]).prop_map(<[u8]>::to_vec),
        (0..3000_usize).prop_map(|length| vec![b'v'; length]),
    ];
    let first = prop::sample::select(vec![0, 0x10, 0x40, 0x40]);
    // Without `:status`, which the codec knows for itself.
    let index = prop_oneof![1..8_u8, 15..72_u8];
    prop_oneof![
        6 => (first, name, value.clone()).prop_map(|(first, name, value)| literal(first, name, &value)),
        2 => (index.clone(), value).prop_filter_map("a short index", |(index, value)| {
            let mut block = vec![0x40 | Some(index).filter(|index| *index < 63)?];
            put_integer(&mut block, value.len());
            block.extend_from_slice(&value);
            Some(block)
        }),
        3 => index.prop_map(|index| vec![0x80 | index]),
        1 => prop::sample::select(vec![vec![0x20], vec![0x3f, 0x21], vec![0x3f, 0xe1, 0x1f]]),
    ]
}

proptest! {
    #[test]
    fn what_is_replaced_leaves_the_same_table(blocks in prop::collection::vec((prop::collection::vec(representations(), 0..6), any::<bool>()), 0..8)) {
        let (mut sent, mut got) = (Fields::default(), Fields::default());
        for (block, trailers) in blocks {
            let block = block.concat();
            let part = if trailers { Part::Trailers(1000) } else { Part::Head };
            let passed = match sent.look(&block, part) {
                Ok(Verdict::Fine) => block,
                Ok(Verdict::Malformed(replaced)) => replaced,
                Err(Unreadable) => break,
            };
            prop_assert_eq!(got.look(&passed, Part::Head), Ok(Verdict::Fine), "what the codec gets is a block of fields");
            let sizes = |fields: &Fields| fields.kept.iter().map(Field::size).collect::<Vec<_>>();
            prop_assert_eq!(sizes(&sent), sizes(&got));
            prop_assert_eq!(sent.size, sizes(&sent).iter().sum::<usize>());
            prop_assert!(sent.size <= sent.limit);
        }
    }

    #[test]
    fn any_bytes_get_a_verdict(blocks in prop::collection::vec(any::<Vec<u8>>(), 0..4)) {
        let mut fields = Fields::default();
        for block in blocks {
            let _ = fields.look(&block, Part::Trailers(100));
        }
    }
}
