//! The rules between crates and parts.

use crate::paths::Mention;

/// The workspace crates that each crate may depend on. The test kit is a development dependency and
/// may depend on the crates that it tests.
pub(crate) const MAY_STAND_ON: &[(&str, &[&str])] = &[
    ("rfb", &[]),
    ("tunnel", &[]),
    ("websocket", &[]),
    ("net", &[]),
    ("model", &[]),
    ("folder", &[]),
    ("store", &["folder", "model"]),
    ("config", &["model", "tunnel"]),
    ("desktop", &["rfb"]),
    ("agent", &["folder", "tunnel", "model"]),
    ("sources", &["config", "model", "net", "tunnel"]),
    ("app", &["config", "model", "net", "sources", "store", "tunnel"]),
    ("http", &["app", "config", "model", "net"]),
    ("relay", &["app", "http", "model", "net", "tunnel"]),
    ("gateway", &["app", "http", "model", "net", "rfb", "tunnel", "websocket"]),
    ("api", &["app", "config", "http", "model"]),
    (
        "server",
        &[
            "api",
            "app",
            "config",
            "folder",
            "gateway",
            "http",
            "model",
            "net",
            "relay",
            "store",
            "tunnel",
            "websocket",
        ],
    ),
    ("cli", &["agent", "app", "config", "desktop", "folder", "model", "server"]),
    (
        "testkit",
        &[
            "folder",
            "rfb",
            "tunnel",
            "websocket",
            "net",
            "model",
            "store",
            "config",
            "desktop",
            "agent",
            "app",
            "server",
            "cli",
        ],
    ),
];

/// A part of the workspace and its forbidden imports.
pub(crate) struct Layer {
    /// A folder or a module below `crates/`.
    pub(crate) place: &'static str,
    pub(crate) never: &'static [Never],
    pub(crate) why: &'static str,
}

/// A forbidden import.
pub(crate) enum Never {
    /// A crate, in the manifest or at the start of a path.
    Crate(&'static str),
    /// Consecutive segments anywhere in a path, after `super` and `self` are resolved.
    Path(&'static str),
    /// A module at the top of the crate.
    Module(String),
}

/// The modules of one crate that each of its modules may import.
pub(crate) struct Modules {
    pub(crate) krate: &'static str,
    /// The modules that every other one may import.
    pub(crate) common: &'static [&'static str],
    pub(crate) rows: &'static [(&'static str, &'static [&'static str])],
}

/// The crates whose modules have rows of their own. A module without a row fails the test.
pub(crate) const MODULES: &[Modules] = &[
    Modules {
        krate: "app",
        common: &["core", "error", "metrics", "random", "vault"],
        rows: &[
            ("core", &["budgets", "fence", "signals"]),
            ("error", &[]),
            ("metrics", &[]),
            ("random", &[]),
            ("vault", &[]),
            ("signals", &[]),
            ("fence", &[]),
            ("budgets", &[]),
            // The tables of live connections, to cut sessions whose end the database cannot record.
            ("revocations", &["consoles", "devices"]),
            ("access", &["budgets", "revocations"]),
            ("audit", &["access"]),
            ("inventory", &["access", "revocations"]),
            ("devices", &["access", "budgets", "revocations"]),
            // The types of a visitor and of a session's destination.
            ("existing_cloud", &["access", "budgets", "consoles"]),
            (
                "consoles",
                &["access", "audit", "budgets", "devices", "existing_cloud", "inventory", "revocations"],
            ),
            ("upkeep", &["access", "consoles", "devices", "existing_cloud", "fence", "revocations"]),
        ],
    },
    Modules {
        krate: "server",
        common: &[],
        rows: &[
            ("data", &[]),
            ("web", &[]),
            ("listener", &[]),
            ("router", &["web"]),
            ("start_error", &["data", "listener"]),
            ("migration", &["data", "listener", "start_error"]),
            ("server", &["data", "listener", "router", "start_error"]),
            ("fuzz", &["listener"]),
        ],
    },
];

use Never::{Crate, Path};

/// No runtime, sockets, files or clock. Callers pass in bytes and time.
const PURE: &[Never] = &[
    Crate("tokio"),
    Crate("tokio_util"),
    Crate("axum"),
    Crate("hyper"),
    Crate("reqwest"),
    Crate("sqlx"),
    Crate("rusqlite"),
    Crate("socket2"),
    Crate("rustix"),
    Path("TcpStream"),
    Path("TcpListener"),
    Path("UdpSocket"),
    Path("UnixStream"),
    Path("UnixListener"),
    Path("ToSocketAddrs"),
    Path("std::fs"),
    Path("std::env"),
    Path("std::process"),
    Path("std::thread"),
    Path("Instant::now"),
    Path("SystemTime::now"),
    Path("Timestamp::now"),
    Path("Zoned::now"),
    Path("Uuid::now_v7"),
];

const PURE_WHY: &str = "a pure crate: bytes and time in, bytes and events out";

pub(crate) const LAYERS: &[Layer] = &[
    Layer { place: "rfb/src", never: PURE, why: PURE_WHY },
    Layer { place: "tunnel/src", never: PURE, why: PURE_WHY },
    Layer { place: "websocket/src", never: PURE, why: PURE_WHY },
    Layer { place: "model/src", never: PURE, why: PURE_WHY },
    Layer {
        place: "net/src",
        never: &[Crate("axum"), Crate("http"), Crate("hyper"), Crate("httparse")],
        why: "a connection is the same whatever is spoken over it",
    },
    Layer {
        place: "agent/src",
        never: &[Crate("axum"), Crate("transom_server"), Crate("transom_store")],
        why: "the agent stays small: it runs on routers and panels",
    },
    Layer {
        place: "app/src",
        never: &[Crate("axum"), Crate("http"), Crate("hyper"), Path("StatusCode")],
        why: "use cases know neither HTTP nor a dialect nor who carries the bytes",
    },
    Layer {
        place: "gateway/src",
        never: &[Crate("transom_relay")],
        why: "the gateway reaches devices through a trait, so the relay can change alone",
    },
    Layer { place: "relay/src", never: &[Crate("transom_rfb")], why: "the relay moves opaque bytes" },
    Layer {
        place: "api/src",
        never: &[Crate("transom_store"), Crate("transom_gateway"), Crate("transom_relay")],
        why: "the front doors reach everything through the use cases",
    },
    Layer {
        place: "server/src/listener",
        never: &[Crate("transom_store")],
        why: "the listener decides which part gets a connection",
    },
    Layer {
        place: "server/src/web",
        never: &[Crate("transom_store")],
        why: "the pages reach everything through the use cases",
    },
];

/// The folder of the front doors. Each folder in it is a dialect.
pub(crate) const DIALECTS: &str = "api/src";

impl Never {
    pub(crate) fn forbids(&self, mention: &Mention) -> bool {
        let path = &mention.path;
        match self {
            // A single word is a crate only in an import; `http` may also be a variable.
            Crate(name) => path[0] == *name && (path.len() > 1 || mention.import.is_some()),
            Path(wanted) => {
                let wanted: Vec<&str> = wanted.split("::").collect();
                path.windows(wanted.len()).any(|window| window == wanted.as_slice())
            }
            Self::Module(name) => path.starts_with(&["crate".to_owned(), name.clone()]),
        }
    }

    /// Returns whether a manifest's dependency of this name is forbidden.
    pub(crate) fn forbids_crate(&self, dependency: &str) -> bool {
        matches!(self, Crate(name) if *name == dependency.replace('-', "_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::mentions;

    fn forbidden(never: &Never, code: &str) -> bool {
        let module = ["crate", "app", "grants"].map(str::to_owned);
        mentions(code, &module).iter().any(|mention| never.forbids(mention))
    }

    #[test]
    fn a_crate_is_found_in_every_form_of_import() {
        for code in [
            "use axum::Router;",
            "use axum;",
            "use axum as web;",
            "use ::axum::Router;",
            "use {std::fmt, axum::{Router, http}};",
            "fn f() -> axum::Router { todo!() }",
            "fn f() { let _ = ::axum::Router::new(); }",
            "#[axum::debug_handler] fn f() {}",
            "impl<T: axum::extract::FromRef<T>> X for T {}",
        ] {
            assert!(forbidden(&Crate("axum"), code), "{code}");
        }
    }

    #[test]
    fn a_path_is_found_through_groups_and_relative_segments() {
        for code in [
            "use crate::api::native;",
            "use crate::{app, api};",
            "use super::super::api::native::Body;",
            "fn f() { super::super::api::serve(); }",
            "pub(in crate::api) fn f() {}",
        ] {
            assert!(forbidden(&Path("crate::api"), code), "{code}");
        }
        assert!(forbidden(&Path("Instant::now"), "fn f() { let t = std::time::Instant::now(); }"));
        assert!(forbidden(&Path("TcpStream"), "use std::net::{IpAddr, TcpStream};"));
    }

    #[test]
    fn a_module_is_found_at_the_top_of_its_crate() {
        let module = || Never::Module("api".to_owned());
        assert!(forbidden(&module(), "use crate::api::Body;"));
        assert!(forbidden(&module(), "fn f() { super::super::api::serve(); }"));
        assert!(!forbidden(&module(), "use crate::apis; use other::api::Body; use super::api;"));
    }

    #[test]
    fn words_outside_imports_are_ignored() {
        for code in [
            "// use axum::Router;",
            "/* /* axum::Router */ axum::Router */",
            "/// [`axum::Router`]\nfn f() {}",
            r##"fn f() { let _ = ("axum::Router", r#"axum::"Router"#, b"axum::x", '"', "axum::"); }"##,
            "fn f<'axum>(axum: &'axum str) {}",
            "use crate::axum::Router;",
            "#[cfg(test)] mod tests { use axum::Router; fn f() { if true { } } }",
            "#[cfg(test)]\nuse axum::Router;",
        ] {
            assert!(!forbidden(&Crate("axum"), code), "{code}");
        }
        assert!(forbidden(&Crate("axum"), "#[cfg(not(test))] use axum::Router;"));
        assert!(forbidden(&Crate("axum"), "#[cfg(test)] mod tests { fn f() {} } use axum::Router;"));
        assert!(!forbidden(&Path("crate::api"), "use super::api; use self::api::x;"));
    }

    #[test]
    fn a_dependency_is_found_by_its_name_in_the_manifest() {
        assert!(Crate("transom_store").forbids_crate("transom-store"));
        assert!(!Crate("http").forbids_crate("httparse"));
        assert!(!Path("tokio").forbids_crate("tokio"));
    }
}
