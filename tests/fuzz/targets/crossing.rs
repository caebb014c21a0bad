//! Fields of an HTTP/2 request against what a backend is sent of them.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| genkan::proxy::fuzz::crossing(data));
