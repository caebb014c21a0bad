//! Bytes of an HTTP/1 client against what looks at its heads before the codec does.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| genkan::proxy::fuzz::heads(data));
