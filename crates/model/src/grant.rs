//! Grants: permission for one console.

use std::fmt;
use std::str::FromStr;

use crate::Timestamp;
use crate::access_key::AccessKeyId;
use crate::id::{GrantId, InstanceId, InstanceUid, ParseIdError, ProjectId, RequestId};
use crate::instance::Sealed;
use crate::secret::TokenDigest;
use uuid::Uuid;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, $problem:literal; $($variant:ident = $word:literal, $vdoc:literal;)+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $(#[doc = $vdoc] #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
                    .ok_or(ParseIdError { what: $what, problem: $problem })
            }
        }
    };
}

words! {
    /// Which front door a grant came through.
    Dialect, "dialect", "must be native, zenlayer, openstack or vnc-cloud";
    Native = "native", "Our own API and command line.";
    Zenlayer = "zenlayer", "Zenlayer's `DescribeVncUrl`.";
    Openstack = "openstack", "OpenStack's and Rackspace's `os-getVNCConsole`.";
    VncCloud = "vnc-cloud", "VNC Cloud API 1.1.";
}

words! {
    /// The form of a console URL. It never limits what the grant may do.
    ConsoleKind, "kind", "must be page, websocket, xvpvnc or native";
    Page = "page", "A page to open in a browser.";
    Websocket = "websocket", "A WebSocket that speaks RFB.";
    Xvpvnc = "xvpvnc", "A URL for the Java viewer, opened by CONNECT.";
    Native = "native", "An address for a native viewer.";
}

/// What a viewer may do under a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rights {
    /// Keys, pointer and clipboard from the viewer are dropped.
    pub view_only: bool,
    /// The clipboard may pass from the viewer to the instance. The other way it always passes, as pixels do.
    pub clipboard: bool,
}

impl Default for Rights {
    fn default() -> Self {
        Self { view_only: false, clipboard: true }
    }
}

/// The proof that an access key's caller showed for something. What was made with it dies with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MadeWith {
    /// The API token that was shown; none: a secret was.
    pub token: Option<TokenDigest>,
    /// The key's secret that was shown, or that the token was got with; none: the operator's token, or nobody knows.
    pub secret: Option<Uuid>,
}

/// Permission for one console. Its token is a secret that is not in here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The public id.
    pub id: GrantId,
    /// The project whose instance it opens.
    pub project: ProjectId,
    /// The key that asked for it; none: the operator.
    pub key: Option<AccessKeyId>,
    /// The front door it came through.
    pub dialect: Dialect,
    /// The URL's form.
    pub kind: ConsoleKind,
    /// The instance it opens.
    pub instance_uid: InstanceUid,
    /// That instance's name when the grant was made.
    pub instance: InstanceId,
    /// What the viewer may do.
    pub rights: Rights,
    /// The call that made it.
    pub request: RequestId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it opens a session.
    pub expires_at: Timestamp,
    /// When every session under it is over at the latest; none: only a session's own limits end it.
    pub ends_at: Option<Timestamp>,
    /// How often it may be used; none: until it expires.
    pub uses: Option<u32>,
    /// How many uses are left.
    pub uses_left: Option<u32>,
    /// Since when it is worth nothing.
    pub revoked_at: Option<Timestamp>,
    /// The token of a console of another cloud, where the grant stands for one: that cloud says where it is, at every
    /// connect, and the inventory knows nothing of it.
    pub foreign: Option<Sealed>,
    /// What it was made with.
    pub made_with: MadeWith,
}
