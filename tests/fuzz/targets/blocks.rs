//! Header blocks of an HTTP/2 client against what reads them before the codec does, and the codec.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| genkan::proxy::fuzz::blocks(data));
