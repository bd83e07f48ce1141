//! Enums whose variants are words of the API, of the database and of the command line.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, $problem:literal; $($variant:ident = $word:literal, $vdoc:literal;)+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $(#[doc = $vdoc] #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every variant.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The variant's word.
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
pub(crate) use words;
