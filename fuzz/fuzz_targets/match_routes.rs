#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| afterrun_corpus::targets::match_routes(bytes));
