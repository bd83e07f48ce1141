//! The native API's bodies for opening a console.

use serde::{Deserialize, Serialize};

use crate::console_kind::ConsoleKind;
use crate::member::whole_never_null;

bodies! {
    /// A request for a console. The configuration supplies absent members.
    question NewConsoleBody {
        /// The form of the URL; `page` when absent.
        #[serde(default)]
        kind: Option<ConsoleKind>,
        /// Drops the viewer's keys, pointer and clipboard. It must not be null.
        #[serde(default)]
        view_only: bool,
        /// The time in seconds within which the URL must be opened. It must not be null.
        #[serde(default, deserialize_with = "whole_never_null")]
        #[cfg_attr(feature = "openapi", schema(value_type = u64, required = false, minimum = 1, maximum = 604_800))]
        ttl_seconds: Option<u64>,
        /// The number of uses of the URL; 0 for unlimited use until expiry. It must not be null.
        #[serde(default, deserialize_with = "whole_never_null")]
        #[cfg_attr(feature = "openapi", schema(value_type = u32, required = false, maximum = 10_000))]
        uses: Option<u32>,
        /// The time in seconds after which the URL opens no session and every session under it
        /// ends. When absent, the configuration limits each session. It must not be null.
        #[serde(default, deserialize_with = "whole_never_null")]
        #[cfg_attr(feature = "openapi", schema(value_type = u64, required = false, minimum = 1, maximum = 2_592_000))]
        ends_after_seconds: Option<u64>,
    }
    /// A console URL. It contains a secret, so share it with one person only.
    answer ConsoleBody {
        /// The URL to open.
        url: String,
        /// The time after which it opens no session.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        expires_at: String,
        /// The time by which every session under it ends, if the request set one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        ends_at: Option<String>,
        /// The link's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        link: String,
    }
}
