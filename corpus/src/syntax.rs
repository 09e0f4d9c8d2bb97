//! Numbers 50 to 73: JSON, and what looks like it. One strict parser decides once.

use crate::bodies::{Body, event, event_with};

const MIB: usize = 1024 * 1024;

/// An event whose unknown field `x` holds this, byte for byte.
fn holding(id: &str, content: &[u8]) -> Vec<u8> {
    let text = event_with(id, ",\"x\":@", "");
    let (before, after) = text.split_once('@').expect("it was just put there");
    [before.as_bytes(), content, after.as_bytes()].concat()
}

fn wide<const N: usize>(text: &str, unit: impl Fn(char) -> [u8; N]) -> Vec<u8> {
    text.chars().flat_map(unit).collect()
}

pub(crate) fn bodies() -> Vec<Body> {
    [refused(), of_the_wrong_encoding(), unread_and_odd()].concat()
}

fn refused() -> Vec<Body> {
    let mut all: Vec<Body> = [
        (50, "an empty body", ""),
        (50, "a body of blanks", "   \t\r\n"),
        (51, "null", "null"),
        (51, "true", "true"),
        (51, "a number", "5"),
        (51, "a string", "\"x\""),
        (52, "an empty array", "[]"),
        (52, "an array of an object", "[{}]"),
        (52, "the values of an event as an array", r#"["e","job.run.completed",4711,null,{}]"#),
        (53, "an object that does not end", "{"),
        (53, "an object that ends after a value", "{\"a\":1"),
        (53, "a comma too many", "{\"a\":1,}"),
        (53, "an empty object", "{}"),
        (53, "an object after the object", r#"{"eventId":"e53","data":{}} {}"#),
        (53, "a NUL after the object", "{\"eventId\":\"e53\",\"data\":{}}\0"),
        (56, "single quotes", "{'eventId':'e56','data':{}}"),
        (56, "a comment", "// no\n{\"eventId\":\"e56\",\"data\":{}}"),
        (56, "a comment in the middle", r#"{"eventId":"e56",/* no */"data":{}}"#),
        (56, "a key without quotes", r#"{eventId:"e56","data":{}}"#),
        (73, "keys that differ by case", r#"{"EventId":"e73","data":{}}"#),
        (73, "a key that looks the same", "{\"\u{435}ventId\":\"e73\",\"data\":{}}"),
    ]
    .map(|(number, sentence, text)| Body::not_understood(number, sentence, text))
    .to_vec();
    for word in ["NaN", "Infinity", "-Infinity", "01", ".5", "5.", "+1", "0x1", "1e", "True"] {
        let sentence = format!("{word} in place of a number");
        all.push(Body::not_understood(56, &sentence, holding("e56", word.as_bytes())));
    }
    all.extend([
        Body::not_understood(57, "a raw NUL in a string", holding("e57", b"\"a\0b\"")),
        Body::not_understood(57, "a raw newline in a string", holding("e57", b"\"a\nb\"")),
        Body::not_understood(
            61,
            "an escaped NUL inside eventId",
            event("e61").replacen("e61", "e\\u000061", 1),
        ),
        Body::not_understood(
            62,
            "a lone surrogate in a field that is read",
            event_with("e62", "", r#","jobName":"\ud800""#),
        ),
        Body::not_understood(66, "data twice", r#"{"eventId":"e66","data":{},"data":{}}"#),
        Body::not_understood(66, "eventId twice", r#"{"eventId":"e6","eventId":"e7","data":{}}"#),
        Body::not_understood(
            66,
            "a field of data that is read twice",
            event_with("e66", "", r#","jobId":"1""#),
        ),
        Body::not_understood(68, "a mebibyte of brackets that do not close", vec![b'['; MIB]),
        Body::not_understood(
            68,
            "a mebibyte of objects that do not close",
            r#"{"":"#.repeat(MIB / 4),
        ),
    ]);
    all
}

fn of_the_wrong_encoding() -> Vec<Body> {
    let good = event("e55");
    let mut all = vec![
        Body::not_understood(54, "a byte order mark", [b"\xef\xbb\xbf", good.as_bytes()].concat()),
        Body::not_understood(55, "UTF-16LE", wide(&good, |c| (c as u16).to_le_bytes())),
        Body::not_understood(55, "UTF-16BE", wide(&good, |c| (c as u16).to_be_bytes())),
        Body::not_understood(55, "UTF-32LE", wide(&good, |c| (c as u32).to_le_bytes())),
        Body::not_understood(55, "Latin-1", holding("e55", b"\"caf\xe9\"")),
    ];
    for wrong in [&b"\xc3\x28"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xff"] {
        let sentence = format!("the bytes {} in a field that is not read", hex::encode(wrong));
        let content = [b"\"", wrong, b"\""].concat();
        all.push(Body::not_understood(64, &sentence, holding("e64", &content)));
        let sentence = format!("the bytes {} in a key", hex::encode(wrong));
        let content = [b"{\"", wrong, b"\":1}"].concat();
        all.push(Body::not_understood(64, &sentence, holding("e64", &content)));
    }
    all
}

fn unread_and_odd() -> Vec<Body> {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let nine_hundred = format!("{}1{}", r#"{"a":"#.repeat(900), "}".repeat(900));
    let smallest = event("e71-short").len() + ",\"x\":\"\"".len() + 40;
    vec![
        Body::works(
            58,
            "an escaped NUL in jobName",
            event_with("e58", "", r#","jobName":"a\u0000b""#),
        ),
        Body::works(59, "an escaped NUL in a key", event_with("e59", r#","a\u0000b":1"#, "")),
        Body::works(
            59,
            "an escaped NUL in a key of data",
            event_with("e59-data", "", r#","\u0000":{}"#),
        ),
        Body::works(60, "an escaped NUL in an unknown field", holding("e60", br#""a\u0000b""#)),
        Body::works(
            62,
            "a lone surrogate in a field that is not read",
            holding("e62-unread", br#"["\ud800","\udfff\ud800"]"#),
        ),
        Body::works(
            63,
            "a pair of surrogates, an override of direction, a width of zero, U+FFFF",
            event_with(
                "e63",
                "",
                ",\"jobName\":\"\\ud83d\\ude00 \u{1f600} \u{202e}evil\u{202c} \u{200b}\\uffff\u{ffff}\"",
            ),
        ),
        Body::works(
            65,
            "unknown keys twice, at every level",
            event_with("e65", r#","x":1,"x":{"y":1,"y":2}"#, r#","z":1,"z":[]"#),
        ),
        Body::works(67, "a nesting of 100", holding("e67", nested(100).as_bytes())),
        Body::works(67, "a nesting of 1,000", holding("e67-deep", nested(1000).as_bytes())),
        Body::works(
            67,
            "900 objects in each other",
            holding("e67-objects", nine_hundred.as_bytes()),
        ),
        Body::works(
            69,
            "numbers beyond every float",
            holding("e69", b"[1e400,-1e400,1e-400,1e999999999,-0,1E+5]"),
        ),
        Body::works(
            70,
            "an integer of 10,000 digits",
            holding("e70", "9".repeat(10_000).as_bytes()),
        ),
        Body::works(
            71,
            "one string of nearly a mebibyte",
            holding("e71", format!("\"{}\"", "x".repeat(MIB - smallest)).as_bytes()),
        ),
        Body::works(
            71,
            "a mebibyte of escapes",
            holding(
                "e71-escapes",
                format!("\"{}\"", "\\u00e9".repeat((MIB - smallest) / 6)).as_bytes(),
            ),
        ),
        Body::works(
            72,
            "keys that mean something to JavaScript",
            event_with(
                "e72",
                r#","__proto__":{"a":1},"constructor":1,"toString":null"#,
                r#","__proto__":{"jobId":"1"}"#,
            ),
        ),
        Body::works(
            73,
            "a second key that differs by case",
            event_with(
                "e73-more",
                r#","EVENTID":5,"accountID":[]"#,
                r#","jobid":[],"RunStatus":"Errored""#,
            ),
        ),
    ]
}
