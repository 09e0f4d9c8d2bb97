//! The compiler does not look into `migrations/` by itself; a new file there must rebuild the crate.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
