//! Schemas of the types in bodies and parameters of the native API. They describe exactly the texts
//! that the parsers accept.

use utoipa::openapi::schema::{AnyOf, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{Object, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::access_key::AccessKeyId;
use crate::cloud::{CloudAddress, GroupName};
use crate::console_kind::ConsoleKind;
use crate::dialect::Dialect;
use crate::endpoint::Endpoint;
use crate::id::{ImportName, InstanceId};
use crate::name::{END_NOTE, INSTANCE_NAME, KEY_NAME, USERNAME};
use crate::project::ProjectName;
use crate::request_headers;
use crate::secret::Secret;

/// A UUID that Transom issued.
pub struct Id;

/// A grant in a path: its id, or the digest of its token.
pub struct LinkWord;

/// An API token's id.
pub struct TokenId;

/// A request id, or its end.
pub struct RequestWord;

/// The IPv4 or IPv6 address of a caller.
pub struct SourceAddress;

/// A project's name or id.
pub struct ProjectWord;

/// An instance's display name.
pub struct InstanceName;

/// An access key's display name.
pub struct KeyName;

/// A device address's display name. An empty name clears it.
pub struct AddressName;

/// The reason that an operator gives for a session's end.
pub struct EndNote;

/// The name of a device in an enrollment.
pub struct DeviceName;

/// The user name for a VNC server. An empty text clears it.
pub struct Username;

/// PEM certificates. An empty text clears them.
pub struct PemCertificates;

/// A PEM private key. An empty text clears it.
pub struct PemKey;

/// The SHA-256 of a certificate in hexadecimal digits. An empty text clears it.
pub struct Fingerprint;

/// Headers of a request, one in each line. An empty text clears them.
pub struct RequestHeaders;

/// The SHA-256 of a device's public key in hexadecimal digits.
pub struct DeviceKey;

/// The characters that [`crate::name::is_legible`] refuses, as far as a character class that all
/// dialects of regular expressions share can express them.
macro_rules! hidden {
    () => {
        "\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u2064\
         \\u2066-\\u206f\\u3164\\ufeff\\ufff9-\\ufffb"
    };
}

/// The visible spaces, which [`str::trim`] also removes.
macro_rules! spaces {
    () => {
        "\\u0020\\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000"
    };
}

/// A legible name that may be empty.
pub const LEGIBLE: &str = concat!("^[^", hidden!(), "]*$");
/// A legible name with a visible character.
const SEEN: &str = concat!("^[^", hidden!(), "]*[^", hidden!(), spaces!(), "][^", hidden!(), "]*$");
/// A legible name without a slash, and without a space at either end.
const PROJECT_NAME: &str = concat!(
    "^[^\\u002f",
    hidden!(),
    spaces!(),
    "]([^\\u002f",
    hidden!(),
    "]*[^\\u002f",
    hidden!(),
    spaces!(),
    "])?$",
);
const KEY_ID: &str = "^tak[1-9A-HJ-NP-Za-km-z]{26}$";
const ADDRESS: &str = "[A-Za-z0-9]{16,24}(\\.[A-Za-z0-9]{16,24}){3}";
/// The names `.` and `..` are excluded.
const INSTANCE_ID: &str = "^(\\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]*|\\.{3}[A-Za-z0-9._-]*)$";
const UUID: &str = "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}";
/// Colons may stand between the bytes.
const SHA256: &str = "[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}";
/// A header line, or a blank one.
const HEADER: &str =
    "([!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\\u0000-\\u0008\\u000a-\\u001f\\u007f-\\u009f]*|[ \\t]*)";
const PORT: &str = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})";
/// A path segment other than `..`.
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
    AccessKeyId = text("An access key's id. Its last four characters are a checksum.")
        .pattern(Some(KEY_ID))
        .build();
    CloudAddress = text("A cloud address.").pattern(Some(format!("^{ADDRESS}$"))).build();
    GroupName = text("A group's name.").min_length(Some(1)).max_length(Some(GroupName::MAX)).examples(["support"]).build();
    InstanceId = text("An instance's id.").min_length(Some(1)).max_length(Some(64)).pattern(Some(INSTANCE_ID)).examples(["web-1"]).build();
    ImportName = text("The name of an import.").min_length(Some(1)).max_length(Some(64)).pattern(Some("^[A-Za-z0-9._-]+$")).examples(["rack-7"]).build();
    Id = text("An id that Transom issued.").format(Some(SchemaFormat::Custom("uuid".to_owned()))).build();
    LinkWord = text("A link's id, or `sha256:` and the SHA-256 of its token in hexadecimal.")
        .pattern(Some(format!("^({UUID}|sha256:[0-9A-Fa-f]{{64}})$")))
        .build();
    TokenId = text("An API token's id: the first half of its SHA-256.").pattern(Some("^[0-9A-Fa-f]{32}$")).build();
    RequestWord = text("A request's id, or its last eight characters.")
        .pattern(Some(format!("^([0-9A-Fa-f]{{8}}|(req-|T){UUID})$")))
        .build();
    InstanceName = text("An instance's display name.")
        .min_length(Some(1))
        .max_length(Some(INSTANCE_NAME))
        .pattern(Some(LEGIBLE))
        .examples(["Web server 1"]).build();
    KeyName = text("An access key's display name.").max_length(Some(KEY_NAME)).pattern(Some(LEGIBLE)).examples(["portal"]).build();
    AddressName = text("An address's display name.").max_length(Some(INSTANCE_NAME)).pattern(Some(LEGIBLE)).build();
    DeviceName = text("A device's future display name, which must not consist of spaces only.")
        .min_length(Some(1))
        .max_length(Some(INSTANCE_NAME))
        .pattern(Some(SEEN))
        .examples(["Lobby 1"])
        .build();
    EndNote = text("Why a session is ended.").max_length(Some(END_NOTE)).pattern(Some(LEGIBLE)).build();
    Username = text("The user name for a VNC server. An empty text clears it.")
        .max_length(Some(USERNAME))
        .pattern(Some(LEGIBLE))
        .build();
    SourceAddress = text("An IPv4 or IPv6 address.").pattern(Some(format!("^({}|{})$", ipv4(), ipv6()))).build();
    Secret = text("A secret, which is never shown again.")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        .build();
    PemCertificates = text("PEM certificates. An empty text clears them.")
        .format(Some(SchemaFormat::Custom("pem-certificates".to_owned())))
        .build();
    PemKey = text("A PEM private key without a passphrase. An empty text clears it.")
        .format(Some(SchemaFormat::Custom("pem-key".to_owned())))
        .build();
    Fingerprint = text("The SHA-256 of a certificate. An empty text clears it.")
        .pattern(Some(format!("^((sha256:)?{SHA256})?$")))
        .build();
    RequestHeaders = text("Headers of a request, such as `Authorization: Bearer …`: one in each line, at most 16, each name once. \
        Not allowed are `Host`, `Connection`, `Upgrade`, `Content-Length`, `Transfer-Encoding`, `TE`, `Trailer`, `Keep-Alive`, \
        `Proxy-Connection`, `Expect` and `Sec-WebSocket-*`. An empty text clears them.")
        .format(Some(SchemaFormat::Custom("request-headers".to_owned())))
        .max_length(Some(request_headers::MAX_LENGTH))
        .pattern(Some(format!("^{HEADER}(\\r?\\n{HEADER})*$")))
        .build();
    DeviceKey = text("The SHA-256 of a device's public key: 64 hexadecimal digits.").pattern(Some(format!("^{SHA256}$"))).build();
    Endpoint = endpoint();
    Dialect = words("The front door through which a link was requested.", Dialect::ALL.iter().map(|one| one.as_str()));
    ConsoleKind = words("The form of a console URL.", ConsoleKind::ALL.iter().map(|one| one.as_str()));
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

fn words(description: &str, words: impl Iterator<Item = &'static str>) -> Object {
    text(description).enum_values(Some(words)).build()
}

fn endpoint() -> AnyOf {
    let tcp = format!("^vnc://([A-Za-z0-9._-]{{1,253}}|\\[{}\\])(:0{{0,4}}{PORT})?/?$", ipv6());
    let ws =
        format!("^wss?://([A-Za-z0-9._-]{{1,253}}|\\[{}\\])(:0{{0,4}}{PORT})?([/?][!-\"$-~]*)?$", ipv6());
    let unix = format!("^vnc\\+unix:(//)?(/{SEGMENT})(/{SEGMENT}?)*$");
    let form = |pattern: String| text("").description(None::<String>).pattern(Some(pattern));
    let mut forms = AnyOf::new();
    forms.description = Some(
        "The location of a VNC server: `vnc://host:port`, `ws://host:port/path`, `wss://host:port/path`, `vnc+unix:/path` or `cloud:ADDRESS`.".to_owned(),
    );
    forms.items = vec![
        form(tcp).examples(["vnc://10.0.0.5:5901"]).build().into(),
        form(ws).max_length(Some(2048)).examples(["wss://pve1.example:8443/websockify"]).build().into(),
        // `sun_path` limits the path to 107 bytes.
        form(unix).max_length(Some("vnc+unix:".len() + 107)).build().into(),
        form(format!("^cloud:{ADDRESS}$")).build().into(),
    ];
    forms
}

fn ipv4() -> String {
    let byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    format!("{byte}(\\.{byte}){{3}}")
}

/// RFC 3986's `IPv6address`, without embedded IPv4 addresses.
fn ipv6() -> String {
    let group = "[0-9A-Fa-f]{1,4}";
    let mut forms = vec![format!("({group}:){{7}}{group}"), "::".to_owned()];
    // `before` groups precede the two colons. At most `7 - before` groups follow them, because the
    // colons stand for at least one group.
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
    use crate::request_headers::RequestHeadersError;

    /// Texts that match a pattern, which is converted to Rust's dialect first.
    fn of(pattern: &str) -> impl Strategy<Value = String> + use<> {
        let mut plain = pattern.trim_start_matches('^').trim_end_matches('$').to_owned();
        // Rust writes a code point with braces.
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
        fn every_text_that_the_schema_allows_is_accepted(
            id in of(INSTANCE_ID), address in of(ADDRESS), ip in of(&ipv6()), port in of(PORT),
            segments in prop::collection::vec(of(SEGMENT), 1..4), uuid in of(UUID), name in of(LEGIBLE),
            project in of(PROJECT_NAME), device in of(SEEN), target in of("([/?][!-\"$-~]{0,40})?"),
            headers in of(&format!("{HEADER}(\\r?\\n{HEADER}){{0,3}}")),
        ) {
            prop_assert!(id.len() > 64 || parses::<InstanceId>(&id), "{id}");
            prop_assert!(parses::<CloudAddress>(&address), "{address}");
            prop_assert!(parses::<Ipv6Addr>(&ip), "{ip}");
            let endpoint = format!("vnc://[{ip}]:{port}");
            prop_assert!(parses::<Endpoint>(&endpoint), "{endpoint}");
            let endpoint = format!("wss://[{ip}]:{port}{target}");
            prop_assert!(parses::<Endpoint>(&endpoint), "{endpoint}");
            let path = format!("vnc+unix:/{}", segments.join("/"));
            prop_assert!(path.len() > "vnc+unix:".len() + 107 || parses::<Endpoint>(&path), "{path}");
            prop_assert!(parses::<crate::id::GrantId>(&uuid), "{uuid}");
            // Tag characters cannot be named in a class that all dialects share.
            let tagged = |text: &str| text.contains(|c| ('\u{e0000}'..='\u{e007f}').contains(&c));
            prop_assert!(tagged(&name) || crate::name::is_legible(&name), "{name:?}");
            // The description names the rules that a pattern cannot express.
            let form = matches!(
                request_headers::parse(&headers),
                Ok(_) | Err(RequestHeadersError::Reserved { .. } | RequestHeadersError::Repeated(_))
            );
            prop_assert!(headers.len() > request_headers::MAX_LENGTH || form, "{headers:?}");
            let fits = project.chars().count() > 64 || tagged(&project);
            prop_assert!(!device.trim().is_empty() && (tagged(&device) || crate::name::is_legible(&device)), "{device:?}");
            prop_assert!(fits || (parses::<ProjectName>(&project) && crate::name::is_legible(&project)), "{project:?}");
        }
    }
}
