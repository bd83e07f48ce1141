//! What the API's document says of the types that bodies and parameters are made of: exactly what their parsers take.

use utoipa::openapi::schema::{AnyOf, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{Object, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::access_key::AccessKeyId;
use crate::cloud::{CloudAddress, GroupName};
use crate::endpoint::Endpoint;
use crate::grant::{ConsoleKind, Dialect};
use crate::id::InstanceId;
use crate::name::{INSTANCE_NAME, KEY_NAME, USERNAME};
use crate::project::ProjectName;
use crate::secret::Secret;

/// A console URL's forms that can be asked for: there is no listener for native viewers yet.
pub struct OfferedKind;

/// An id that Transom gave: a UUID.
pub struct Id;

/// A grant as a path names it: its id, or the digest of its token.
pub struct GrantWord;

/// A request id, or its end.
pub struct RequestWord;

/// Where a call came from: an IPv4 or IPv6 address.
pub struct SourceAddress;

/// A project, by its name or its id.
pub struct ProjectWord;

/// What people call an instance.
pub struct InstanceName;

/// What people call an access key.
pub struct KeyName;

/// What people call a device's address; an empty name clears.
pub struct AddressName;

/// As whom a VNC server is spoken to; an empty text clears.
pub struct Username;

/// PEM certificates; an empty text clears.
pub struct PemCertificates;

/// A PEM private key; an empty text clears.
pub struct PemKey;

/// SHA-256 of a certificate in hexadecimal digits; an empty text clears.
pub struct Fingerprint;

/// What [`crate::name::is_legible`] refuses, as far as one class of every dialect of regular expressions can say it, for a name
/// that may be empty.
pub const LEGIBLE: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u2064\
                           \\u2066-\\u206f\\u3164\\ufeff\\ufff9-\\ufffb]*$";
/// The same without a slash, and without a space at either end.
const PROJECT_NAME: &str = "^[^\\u0000-\\u0020\\u002f\\u007f-\\u00a0\\u00ad\\u061c\\u1680\\u180e\\u2000-\\u200b\\u200e\\u200f\
                            \\u2028-\\u202f\\u205f-\\u2064\\u2066-\\u206f\\u3000\\u3164\\ufeff\\ufff9-\\ufffb]\
                            ([^\\u0000-\\u001f\\u002f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\
                            \\u2060-\\u2064\\u2066-\\u206f\\u3164\\ufeff\\ufff9-\\ufffb]*\
                            [^\\u0000-\\u0020\\u002f\\u007f-\\u00a0\\u00ad\\u061c\\u1680\\u180e\\u2000-\\u200b\\u200e\\u200f\
                            \\u2028-\\u202f\\u205f-\\u2064\\u2066-\\u206f\\u3000\\u3164\\ufeff\\ufff9-\\ufffb])?$";
const KEY_ID: &str = "^tak[1-9A-HJ-NP-Za-km-z]{26}$";
const ADDRESS: &str = "[A-Za-z0-9]{16,24}(\\.[A-Za-z0-9]{16,24}){3}";
/// `.` and `..` are none.
const INSTANCE_ID: &str = "^(\\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]*|\\.{3}[A-Za-z0-9._-]*)$";
const UUID: &str = "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}";
const PORT: &str = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})";
/// A segment of a path, other than `..`.
const SEGMENT: &str = "([!-,\\-0-~][ -.0-~]*|\\.[!-,\\-0-~][ -.0-~]*|\\.\\.[ -.0-~]+|\\.)";

macro_rules! described {
    ($($type:ty = $schema:expr;)+) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                RefOr::T(Schema::from($schema))
            }
        }
        impl ToSchema for $type {}
    )+};
}

described! {
    ProjectName = text("A project's name.").min_length(Some(1)).max_length(Some(64)).pattern(Some(PROJECT_NAME)).examples(["lab"]).build();
    ProjectWord = text("A project's name or id.").min_length(Some(1)).max_length(Some(64)).examples(["lab"]).build();
    AccessKeyId = text("An access key's id. Its last four characters are a checksum: one that does not fit is of no key.")
        .pattern(Some(KEY_ID))
        .build();
    CloudAddress = text("A cloud address.").pattern(Some(format!("^{ADDRESS}$"))).build();
    GroupName = text("A group's name.").min_length(Some(1)).max_length(Some(GroupName::MAX)).examples(["support"]).build();
    InstanceId = text("An instance's id.").min_length(Some(1)).max_length(Some(64)).pattern(Some(INSTANCE_ID)).examples(["web-1"]).build();
    Id = text("An id that Transom gave.").format(Some(SchemaFormat::Custom("uuid".to_owned()))).build();
    GrantWord = text("A grant's id, or `sha256:` and the SHA-256 of its token in hexadecimal.")
        .pattern(Some(format!("^({UUID}|sha256:[0-9A-Fa-f]{{64}})$")))
        .build();
    RequestWord = text("A request's id, or its last eight characters.").pattern(Some("^[!-~]{1,64}$")).build();
    InstanceName = text("What people call an instance.")
        .min_length(Some(1))
        .max_length(Some(INSTANCE_NAME))
        .pattern(Some(LEGIBLE))
        .examples(["Web server 1"]).build();
    KeyName = text("What people call an access key.").max_length(Some(KEY_NAME)).pattern(Some(LEGIBLE)).examples(["portal"]).build();
    AddressName = text("What people call an address.").max_length(Some(INSTANCE_NAME)).pattern(Some(LEGIBLE)).build();
    Username = text("As whom a VNC server is spoken to; an empty text clears.")
        .max_length(Some(USERNAME))
        .pattern(Some(LEGIBLE))
        .build();
    SourceAddress = text("An IPv4 or IPv6 address.").pattern(Some(format!("^({}|{})$", ipv4(), ipv6()))).build();
    Secret = text("A secret, which is never shown again.")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        .build();
    PemCertificates = text("PEM certificates; an empty text clears.")
        .format(Some(SchemaFormat::Custom("pem-certificates".to_owned())))
        .build();
    PemKey = text("A PEM private key without a passphrase; an empty text clears.")
        .format(Some(SchemaFormat::Custom("pem-key".to_owned())))
        .build();
    Fingerprint = text("The SHA-256 of a certificate; an empty text clears.")
        .pattern(Some("^((sha256:)?[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31})?$"))
        .build();
    Endpoint = endpoint();
    Dialect = words("The front door that a grant came through.", Dialect::ALL.iter().map(|one| one.as_str()));
    ConsoleKind = words("The form of a console URL.", ConsoleKind::ALL.iter().map(|one| one.as_str()));
    OfferedKind = words(
        "The form of a console URL that is asked for.",
        ConsoleKind::ALL.iter().filter(|kind| **kind != ConsoleKind::Native).map(|one| one.as_str()),
    );
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

fn words(description: &str, words: impl Iterator<Item = &'static str>) -> Object {
    text(description).enum_values(Some(words)).build()
}

fn endpoint() -> AnyOf {
    let tcp = format!("^vnc://([A-Za-z0-9._-]{{1,253}}|\\[{}\\])(:0{{0,4}}{PORT})?/?$", ipv6());
    let unix = format!("^vnc\\+unix:(//)?(/{SEGMENT})(/{SEGMENT}?)*$");
    let form = |pattern: String| text("").description(None::<String>).pattern(Some(pattern));
    let mut forms = AnyOf::new();
    forms.description =
        Some("Where a VNC server is: `vnc://host:port`, `vnc+unix:/path` or `cloud:ADDRESS`.".to_owned());
    forms.items = vec![
        form(tcp).examples(["vnc://10.0.0.5:5901"]).build().into(),
        // The path has 107 bytes at most.
        form(unix).max_length(Some("vnc+unix:".len() + 107)).build().into(),
        form(format!("^cloud:{ADDRESS}$")).build().into(),
    ];
    forms
}

fn ipv4() -> String {
    let byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    format!("{byte}(\\.{byte}){{3}}")
}

/// RFC 3986's `IPv6address`, with groups of digits alone.
fn ipv6() -> String {
    let group = "[0-9A-Fa-f]{1,4}";
    let mut forms = vec![format!("({group}:){{7}}{group}"), "::".to_owned()];
    // So many groups stand before the two colons, and up to as many behind them as leave one out.
    for before in 1..=7_usize {
        let head = format!("{group}(:{group}){{{}}}", before - 1);
        let behind = 7 - before;
        forms.push(match behind {
            0 => format!("{head}::"),
            1 => format!("{head}::({group})?"),
            more => format!("{head}::({group}(:{group}){{0,{}}})?", more - 1),
        });
    }
    forms.push(format!("::{group}(:{group}){{0,6}}"));
    format!("({})", forms.join("|"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;
    use std::str::FromStr;

    use proptest::prelude::*;
    use proptest::string::string_regex;

    use super::*;

    /// Texts of a pattern, as the parsers of Rust read it.
    fn of(pattern: &str) -> impl Strategy<Value = String> + use<> {
        let mut plain = pattern.trim_start_matches('^').trim_end_matches('$').to_owned();
        // Another way to write the same characters.
        while let Some(at) = plain.find("\\u").filter(|at| plain.as_bytes()[at + 2] != b'{') {
            let code = plain[at + 2..at + 6].to_owned();
            plain.replace_range(at..at + 6, &format!("\\u{{{code}}}"));
        }
        string_regex(&plain).expect("a regular expression")
    }

    fn parses<T: FromStr>(text: &str) -> bool {
        text.parse::<T>().is_ok()
    }

    proptest! {
        #[test]
        fn what_the_document_allows_is_taken(
            id in of(INSTANCE_ID), address in of(ADDRESS), ip in of(&ipv6()), port in of(PORT),
            segments in prop::collection::vec(of(SEGMENT), 1..4), uuid in of(UUID), name in of(LEGIBLE),
            project in of(PROJECT_NAME),
        ) {
            prop_assert!(id.len() > 64 || parses::<InstanceId>(&id), "{id}");
            prop_assert!(parses::<CloudAddress>(&address), "{address}");
            prop_assert!(parses::<Ipv6Addr>(&ip), "{ip}");
            let endpoint = format!("vnc://[{ip}]:{port}");
            prop_assert!(parses::<Endpoint>(&endpoint), "{endpoint}");
            let path = format!("vnc+unix:/{}", segments.join("/"));
            prop_assert!(path.len() > "vnc+unix:".len() + 107 || parses::<Endpoint>(&path), "{path}");
            prop_assert!(parses::<crate::id::GrantId>(&uuid), "{uuid}");
            // Tags, which no class of all dialects can name.
            let tagged = |text: &str| text.contains(|c| ('\u{e0000}'..='\u{e007f}').contains(&c));
            prop_assert!(tagged(&name) || crate::name::is_legible(&name), "{name:?}");
            let fits = project.chars().count() > 64 || tagged(&project);
            prop_assert!(fits || (parses::<ProjectName>(&project) && crate::name::is_legible(&project)), "{project:?}");
        }
    }
}
