//! The Huffman code of HPACK (RFC 7541 section 5.2), read to look at what a client sends: the codec decodes it for itself.

/// How many bits each symbol's code has (RFC 7541 appendix B). The codes follow from these: shorter ones first, and among
/// those of one length in the order of the symbols. The last is the end of a string, which no string has.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];
const SYMBOLS: usize = 257;
const END: u16 = 256;
const SHORTEST: u32 = 5;
const LONGEST: u32 = 30;

/// The codes of one length.
#[derive(Clone, Copy)]
struct Group {
    /// The first code that is none of these or of shorter ones, with bits behind it up to the longest.
    end: u32,
    /// The first code.
    first: u32,
    /// Where its symbol is among all of them.
    at: usize,
}

const CODES: ([Group; LONGEST as usize + 1], [u16; SYMBOLS]) = codes();

const fn codes() -> ([Group; LONGEST as usize + 1], [u16; SYMBOLS]) {
    let mut groups = [Group { end: 0, first: 0, at: 0 }; LONGEST as usize + 1];
    let mut symbols = [0; SYMBOLS];
    let (mut length, mut code, mut at) = (SHORTEST, 0_u32, 0);
    while length <= LONGEST {
        groups[length as usize].first = code;
        groups[length as usize].at = at;
        let mut symbol: u16 = 0;
        while symbol <= END {
            if LENGTHS[symbol as usize] as u32 == length {
                symbols[at] = symbol;
                at += 1;
                code += 1;
            }
            symbol += 1;
        }
        groups[length as usize].end = code << (LONGEST - length);
        code <<= 1;
        length += 1;
    }
    (groups, symbols)
}

/// Appends the text to `out`; `None` if it is none.
pub fn decode(coded: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (mut bits, mut held) = (0_u64, 0_u32);
    let mut rest = coded.iter();
    loop {
        while held <= u64::BITS - u8::BITS
            && let Some(byte) = rest.next()
        {
            bits = bits << u8::BITS | u64::from(*byte);
            held += u8::BITS;
        }
        // Behind the last bit there are ones, as in the padding.
        let ahead = if held >= LONGEST { bits >> (held - LONGEST) } else { bits << (LONGEST - held) | ((1 << (LONGEST - held)) - 1) };
        let ahead = u32::try_from(ahead & ((1 << LONGEST) - 1)).ok()?;
        let length = (SHORTEST..=LONGEST).find(|length| ahead < CODES.0[*length as usize].end).filter(|length| *length <= held);
        let Some(length) = length else {
            // What is left is less than a byte of ones (RFC 7541 section 5.2).
            let padding = held < u8::BITS && bits & ((1 << held) - 1) == (1 << held) - 1;
            return padding.then_some(());
        };
        let group = CODES.0[length as usize];
        let symbol = CODES.1[group.at + ((ahead >> (LONGEST - length)) - group.first) as usize];
        out.push(u8::try_from(symbol).ok()?);
        held -= length;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(coded: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(coded, &mut out).map(|()| out)
    }

    fn encode(text: &[u8]) -> Vec<u8> {
        let mut bits = Vec::new();
        for byte in text {
            let length = u32::from(LENGTHS[usize::from(*byte)]);
            let group = CODES.0[length as usize];
            let at = CODES.1.iter().position(|symbol| *symbol == u16::from(*byte)).unwrap();
            let code = group.first + u32::try_from(at - group.at).unwrap();
            bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
        }
        bits.resize(bits.len().next_multiple_of(8), true);
        bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        // RFC 7541 appendix C.4 and C.6.
        for (coded, text) in [
            (&[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff][..], "www.example.com"),
            (&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], "no-cache"),
            (&[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf], "custom-value"),
            (&[0xae, 0xc3, 0x77, 0x1a, 0x4b], "private"),
            (&[], ""),
        ] {
            assert_eq!(decoded(coded).as_deref(), Some(text.as_bytes()));
        }
    }

    #[test]
    fn padding_is_less_than_a_byte_of_ones_and_the_end_is_never_said() {
        for coded in [&[0xff][..], &[0x00], &[0xff, 0xff, 0xff, 0xff], &[0xff, 0xff, 0xff, 0xfc], &[0xae, 0xc3, 0x77, 0x1a, 0x4b, 0xff]] {
            assert_eq!(decoded(coded), None, "{coded:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(text in any::<Vec<u8>>()) {
            prop_assert_eq!(decoded(&encode(&text)), Some(text));
        }

        #[test]
        fn nothing_is_read_in_two_ways(coded in any::<Vec<u8>>()) {
            if let Some(text) = decoded(&coded) {
                prop_assert_eq!(encode(&text), coded);
            }
        }
    }
}
