//! The pages are built before the server, and become part of it.

fn main() {
    let page = std::path::Path::new("../../web/dist/console.html");
    println!("cargo::rerun-if-changed=../../web/dist");
    if !page.exists() {
        println!("cargo::error=the web pages are not built: run `make web/dist` first");
    }
}
