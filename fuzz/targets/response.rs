#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| langso_fuzz::targets::response(input));
