use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Gives so many bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.1.min(self.0.len()).min(into.len());
        let (now, later) = self.0.split_at(length);
        into[..length].copy_from_slice(now);
        self.0 = later;
        Ok(length)
    }
}

const LONGEST: usize = 12;

fn made_short(text: &str, at_a_time: usize) -> (String, Short<Slow<'_>>) {
    let mut short = Short::new(Slow(text.as_bytes(), at_a_time), LONGEST);
    let mut out = String::new();
    short.read_to_string(&mut out).unwrap();
    (out, short)
}

/// As Python writes it: nothing but ASCII.
fn ascii(text: &str) -> String {
    let mut out = String::new();
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ (b' '..=b'!' | b'#'..=b'[' | b']'..=b'~')) => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    format!("\"{out}\"")
}

#[test]
fn a_text_is_cut_before_a_letter_and_never_within_an_escape() {
    for (text, out) in [
        (r#"{"short":"as it is"}"#, r#"{"short":"as it is"}"#),
        (r#"["123456789012345", 1]"#, r#"["123456789012", 1]"#),
        (r#"["12345678901\n345\"\\", 1]"#, r#"["12345678901\n", 1]"#),
        (r#"["1234567\u00e8\u00e8\u00e89", 1]"#, r#"["1234567\u00e8\u00e8\u00e8", 1]"#),
        (r#"["12345678901èè3", 1]"#, r#"["12345678901èè", 1]"#),
        (r#"["12345678901234567890"#, r#"["123456789012"#),
    ] {
        for at_a_time in [1, 2, 7, 1_000] {
            assert_eq!(made_short(text, at_a_time).0, out);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_comes_out_is_the_same_json_with_the_beginnings_of_long_texts(
        texts in vec("[ab\"\\\\\n]{0,30}|\\PC{0,30}", 0..6),
        plain in any::<bool>(),
        pretty in any::<bool>(),
        at_a_time in 1..40_usize,
    ) {
        let write = |text: &String| match plain {
            true => serde_json::to_string(text).unwrap(),
            false => ascii(text),
        };
        let joint = if pretty { ",\n  " } else { "," };
        let json = format!("[{}]", texts.iter().map(write).collect::<Vec<_>>().join(joint));
        let (out, _) = made_short(&json, at_a_time);
        let read: Vec<String> = serde_json::from_str(&out).unwrap();
        prop_assert_eq!(read.len(), texts.len());
        for (short, text) in read.iter().zip(&texts) {
            prop_assert!(text.starts_with(short.as_str()), "{short:?} {text:?}");
            prop_assert!(short == text || short.len() >= LONGEST / 6, "{short:?} {text:?}");
            prop_assert!(short == text || write(short).len() >= LONGEST, "{short:?} {text:?}");
        }
        // A mistake is found where it was before.
        let wrong = format!("{json} wrong");
        let (out, short) = made_short(&wrong, at_a_time);
        let before = serde_json::from_str::<Vec<String>>(&wrong).unwrap_err();
        let after = serde_json::from_str::<Vec<String>>(&out).unwrap_err();
        let place = (after.line(), short.column(after.line(), after.column()));
        prop_assert_eq!(place, (before.line(), before.column()));
    }
}
