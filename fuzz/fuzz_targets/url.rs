//! Drives `baton_fuzz_targets::url`.
#![no_main]

libfuzzer_sys::fuzz_target!(|content: &[u8]| baton_fuzz_targets::url(content));
