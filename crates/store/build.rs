//! Tells Cargo that the migrations are compiled in, so that a new file is seen.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
