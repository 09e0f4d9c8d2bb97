//! A manifest of 200 MB is read in bounded memory. Each test has a process of its own.

use std::fmt::Write as _;
use std::io::{self, Read};

use afterrun_core::artifact::{Graph, read_manifest};

const NODES: usize = 20_000;

/// Writes a manifest while it is read: piece by piece, each of them once.
struct Generated {
    pieces: Box<dyn Iterator<Item = String>>,
    piece: Vec<u8>,
    at: usize,
    given: usize,
}

impl Generated {
    fn new() -> Self {
        let code = r"    coalesce(orders.amount, 0) as amount, -- \u00fc\n".repeat(100);
        let node = move |number: usize| {
            let comma = if number == 0 { "" } else { "," };
            let mut text = String::with_capacity(12_000);
            write!(
                text,
                r#"{comma}"model.shop.a_model_of_some_length_{number}":{{"database":"analytics","raw_code":"{code}","name":"a_model_of_some_length_{number}","resource_type":"model","package_name":"shop","fqn":["shop","marts","team_{}","a_model_of_some_length_{number}"],"tags":["nightly"],"original_file_path":"models/marts/team_{}/a_model_of_some_length_{number}.sql","columns":{{"id":{{"name":"id","description":"","meta":{{}}}}}},"depends_on":{{"macros":["macro.dbt.x"],"nodes":["model.shop.a_model_of_some_length_{}","model.shop.a_model_of_some_length_{}"]}},"compiled_code":"{code}"}}"#,
                number % 50,
                number % 50,
                number / 2,
                number / 3,
            )
            .unwrap();
            text
        };
        let macros = (0..200).map(|number| {
            let comma = if number == 0 { "" } else { "," };
            format!(
                r#"{comma}"macro.dbt.m{number}":{{"macro_sql":"{}"}}"#,
                "{% x %} ".repeat(2_000)
            )
        });
        let pieces = std::iter::once(r#"{"macros":{"#.to_owned())
            .chain(macros)
            .chain(std::iter::once(r#"},"docs":{"doc.dbt.a":{"block_contents":""#.to_owned()))
            .chain((0..200).map(|_| "words ".repeat(1_000)))
            .chain(std::iter::once(r#""}},"nodes":{"#.to_owned()))
            .chain((0..NODES).map(node))
            .chain(std::iter::once("}}".to_owned()));
        Self { pieces: Box::new(pieces), piece: Vec::new(), at: 0, given: 0 }
    }
}

impl Read for Generated {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            let Some(piece) = self.pieces.next() else { return Ok(0) };
            (self.piece, self.at) = (piece.into_bytes(), 0);
        }
        let length = into.len().min(self.piece.len() - self.at);
        into[..length].copy_from_slice(&self.piece[self.at..self.at + length]);
        self.at += length;
        self.given += length;
        Ok(length)
    }
}

/// The most that the process has held in memory so far, in MB.
#[cfg(target_os = "linux")]
fn most_held() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
}

#[cfg(target_os = "linux")]
#[test]
fn a_manifest_of_200_mb_is_read_in_40() {
    let mut generated = Generated::new();
    let before = most_held();
    let manifest = read_manifest(&mut generated).unwrap();
    let grown = most_held() - before;
    assert!(generated.given > 190_000_000, "{}", generated.given);
    assert_eq!(manifest.nodes.len(), NODES);
    assert!(grown < 40, "{grown} MB");
    let bytes = Graph::of(&manifest).to_bytes().unwrap();
    assert!(bytes.len() < 5_000_000, "{}", bytes.len());
}
