//! Tells Cargo to rebuild when a migration file is added, because the migrations are compiled in.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
