//! Writes what each fuzz target begins with, one file each: `cargo run --example seeds -- FOLDER`.

use std::path::PathBuf;

use afterrun_corpus::{seeds, targets};

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(|| "fuzz/corpus".into(), PathBuf::from);
    for (name, _) in targets::ALL {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        for (n, seed) in seeds(name).into_iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{n}")), seed)?;
        }
    }
    Ok(())
}
