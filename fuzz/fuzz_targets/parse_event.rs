#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| afterrun_corpus::targets::parse_event(bytes));
