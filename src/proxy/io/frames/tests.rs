use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1000;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Header { length: payload.len(), kind, flags, stream }.write(&mut out);
    [&out, payload].concat()
}

/// A preface, and the first frame.
fn beginning() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, &[])[..]].concat()
}

/// What the codec gets of these bytes, read in pieces of a size.
fn passed(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut frames = Frames::new(LIMIT);
    let (mut got, mut space) = (Vec::new(), vec![0; size]);
    for piece in bytes.chunks(size) {
        let mut buf = ReadBuf::new(&mut space);
        buf.put_slice(piece);
        frames.take(&mut buf, 0);
        got.extend_from_slice(buf.filled());
        buf.clear();
        while frames.give(&mut buf) {
            got.extend_from_slice(buf.filled());
            buf.clear();
        }
    }
    got
}

/// GET /, with a field behind.
fn request(stream: u32, name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut block = vec![0x82, 0x87, 0x84, 0x41, 1, b'a', 0x40, u8::try_from(name.len()).unwrap()];
    block.extend_from_slice(name);
    block.push(u8::try_from(value.len()).unwrap());
    block.extend_from_slice(value);
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)
}

#[test]
fn since_when_something_is_incomplete_is_known_of_each() {
    let mut frames = Frames::new(LIMIT);
    let mut space = [0; 200];
    let mut take = |bytes: &[u8]| {
        let mut buf = ReadBuf::new(&mut space);
        buf.put_slice(bytes);
        frames.take(&mut buf, 0);
        buf.clear();
        while frames.give(&mut buf) {
            buf.clear();
        }
        frames.incomplete_since()
    };
    let [first, second] = [request(1, b"x", b"y"), request(3, b"x", b"y")];
    assert_eq!(take(&beginning()), None);
    let since = take(&first[..3]);
    assert!(since.is_some());
    assert_eq!(take(&first[3..first.len() - 1]), since, "it is the same one");
    let next = take(&[&first[first.len() - 1..], &second[..4]].concat());
    assert!(next > since, "it is another one");
    assert_eq!(take(&second[4..]), None);
    assert_eq!(take(&frame(DATA, 0, 5, b"half of a body")[..12]), None, "bodies have a limit of their own");
}

#[test]
fn what_is_fine_passes_as_it_is() {
    let padded = frame(HEADERS, END_HEADERS | PADDED | PRIORITY, 5, &[2, 0, 0, 0, 0, 9, 0x82, 0x87, 0x84, 0, 0]);
    let in_two = [frame(HEADERS, 0, 7, &[0x82, 0x87]), frame(CONTINUATION, END_HEADERS, 7, &[0x84])].concat();
    let bytes = [
        beginning(),
        request(1, b"x", b"y"),
        request(3, b"x", b"z"),
        padded,
        frame(DATA, 0, 5, b"some data"),
        in_two,
        frame(PING, 0, 0, &[0; 8]),
        frame(DATA, END_STREAM, 5, b""),
    ]
    .concat();
    for size in 1..bytes.len() {
        assert_eq!(passed(&bytes, size), bytes, "in pieces of {size}");
    }
}

#[test]
fn what_is_malformed_is_replaced_alone() {
    let before = [beginning(), request(1, b"x", b"y")].concat();
    let after = [request(5, b"x", b"z"), frame(DATA, 0, 1, b"data")].concat();
    let bytes = [&before[..], &request(3, b"x", b"a\nb"), &after].concat();
    let got = passed(&bytes, bytes.len());
    let middle = &got[before.len()..got.len() - after.len()];
    assert!(got.starts_with(&before) && got.ends_with(&after));
    assert!(middle.ends_with(b"\0\x02te\x01x") && !middle.contains(&b'\n'), "{}", middle.escape_ascii());
    for size in 1..bytes.len() {
        assert_eq!(passed(&bytes, size), got, "in pieces of {size}");
    }
}

#[test]
fn trailers_are_known_by_their_stream() {
    let large = [&b"\0\x01x\x7f\xd1\x07"[..], &[b'y'; 1104]].concat();
    let head = |flags| frame(HEADERS, END_HEADERS | flags, 1, &[0x82, 0x87, 0x84]);
    let trailers = |before: &[u8], block: &[u8]| {
        let bytes = [&beginning(), before, &frame(HEADERS, END_HEADERS | END_STREAM, 1, block)].concat();
        passed(&bytes, bytes.len()) == bytes
    };
    let sending = head(0);
    assert!(trailers(&sending, b"\0\x01x\x01y"));
    assert!(!trailers(&sending, &[0x84]));
    assert!(!trailers(&sending, &large), "they are larger than they may be");
    // To a stream that has ended, or was never there, nothing belongs, and the codec says so.
    for before in
        [head(END_STREAM), [sending.clone(), frame(DATA, END_STREAM, 1, b"x")].concat(), [sending, frame(RST_STREAM, 0, 1, &[0; 4])].concat()]
    {
        assert!(trailers(&before, &[0x84]));
    }
}

#[test]
fn pieces_of_nothing_are_left_out_while_they_are_few() {
    let empty = frame(DATA, 0, 1, b"");
    let bytes = [beginning(), request(1, b"x", b"y"), empty.repeat(MAX_EMPTY)].concat();
    assert_eq!(passed(&bytes, 7), [beginning(), request(1, b"x", b"y")].concat());
    let more = [&bytes[..], &empty.repeat(3)].concat();
    assert_eq!(passed(&more, 7), [beginning(), request(1, b"x", b"y"), empty.repeat(3)].concat());
    let unknown = [beginning(), empty].concat();
    assert_eq!(passed(&unknown, 7), unknown, "on a stream that there is not");
}

#[test]
fn frames_have_their_size() {
    for (kind, flags, length) in
        [(PING, 0, 7), (PING, 0, 9), (RST_STREAM, 0, 3), (WINDOW_UPDATE, 0, 5), (SETTINGS, 0, 5), (SETTINGS, ACK, 6), (GOAWAY, 0, 7)]
    {
        let bytes = [beginning(), frame(kind, flags, 0, &vec![0; length])].concat();
        assert_eq!(passed(&bytes, 1000), [&beginning()[..], &TOO_LARGE].concat(), "{kind} of {length}");
    }
    let fine = [frame(PING, 0, 0, &[0; 8]), frame(RST_STREAM, 0, 1, &[0; 4]), frame(SETTINGS, ACK, 0, &[]), frame(GOAWAY, 0, 0, &[0; 20])];
    let bytes = [beginning(), fine.concat()].concat();
    assert_eq!(passed(&bytes, 5), bytes);
}

#[test]
fn a_beginning_without_settings_ends_it() {
    let bytes = [&beginning()[..PREFACE], &request(1, b"x", b"y")].concat();
    assert!(passed(&bytes, 1000).ends_with(&NONSENSE));
}

#[test]
fn a_block_without_an_end_is_not_held_for_ever() {
    let many = [frame(HEADERS, 0, 1, &[0x82]), frame(CONTINUATION, 0, 1, b"").repeat(100)].concat();
    let large = [frame(HEADERS, 0, 1, &[0x82]), frame(CONTINUATION, 0, 1, &vec![0; MAX_FRAME]).repeat(3)].concat();
    let other = [frame(HEADERS, 0, 1, &[0x82]), frame(DATA, 0, 1, b"")].concat();
    for block in [many, large, other] {
        let bytes = [beginning(), block].concat();
        let got = passed(&bytes, bytes.len());
        assert!(got.ends_with(&NONSENSE) && bytes.starts_with(&got[..got.len() - HEADER]));
    }
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        Just(vec![0x82, 0x87, 0x84]),
        Just(b"\x40\x01x\x03a\nb".to_vec()),
        Just(b"\0\x01x\x01y".to_vec()),
        Just(Vec::new()),
    ];
    let kind = prop::sample::select(vec![DATA, HEADERS, HEADERS, CONTINUATION, SETTINGS, PING, RST_STREAM]);
    let flags = prop::sample::select(vec![0, END_STREAM, END_HEADERS, END_STREAM | END_HEADERS, END_HEADERS | PADDED, END_HEADERS | PRIORITY]);
    (kind, flags, 0..8_u32, payload).prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload))
}

proptest! {
    #[test]
    fn what_passes_does_not_depend_on_how_it_comes(frames in prop::collection::vec(any_frame(), 0..12), size in 1..40_usize) {
        let bytes = [beginning(), frames.concat()].concat();
        let (whole, pieces) = (passed(&bytes, bytes.len()), passed(&bytes, size));
        // Behind nonsense nobody reads on.
        let nonsense = whole.windows(HEADER).position(|part| part == NONSENSE || part == TOO_LARGE).unwrap_or(whole.len());
        prop_assert!(pieces.starts_with(&whole[..nonsense]));
    }
}
