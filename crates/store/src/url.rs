//! The database URL.

use std::fmt;
use std::path::{Path, PathBuf};

use sqlx::postgres::PgConnectOptions;
use url::Url;

/// A database URL: `sqlite:/path/to/file` or
/// `postgres://user:password@host:port/name?sslmode=verify-full`.
///
/// Neither `Debug` nor `Display` shows the password. Without `sslmode`, the connection uses TLS if
/// PostgreSQL offers it, but does not verify the certificate.
#[derive(Clone)]
pub struct DatabaseUrl(Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    Sqlite(PathBuf),
    Postgres { options: Box<PgConnectOptions>, shown: String },
}

/// The supported parameters of a PostgreSQL URL. Others are refused because sqlx would log their
/// values.
const PARAMETERS: [&str; 5] = ["sslmode", "sslrootcert", "sslcert", "sslkey", "host"];

/// The reason why a text is not a database URL. It does not quote the text, which may contain a
/// password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDatabaseUrlError {
    /// The text has neither of the two forms.
    #[error("a database URL is postgres://user:password@host:port/name or sqlite:/path/to/file")]
    Form,
    /// A parameter is unsupported or has an invalid value.
    #[error(
        "a PostgreSQL URL accepts only the parameters sslmode (disable, prefer, require, verify-ca, verify-full), \
             sslrootcert, sslcert, sslkey and host"
    )]
    Parameter,
}

impl DatabaseUrl {
    /// Parses `postgres://…`, `postgresql://…` or `sqlite:/path`.
    pub fn parse(text: &str) -> Result<Self, ParseDatabaseUrlError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            // `:memory:` would be a separate database for each connection.
            if path.is_empty() || path.starts_with(':') {
                return Err(ParseDatabaseUrlError::Form);
            }
            return Ok(Self::sqlite(path));
        }
        let mut url = Url::parse(text).map_err(|_| ParseDatabaseUrlError::Form)?;
        // `postgresql:name` would be a database on this machine without a stated host.
        if !matches!(url.scheme(), "postgres" | "postgresql") || !url.has_authority() {
            return Err(ParseDatabaseUrlError::Form);
        }
        if !url.query_pairs().all(|(name, _)| PARAMETERS.contains(&name.as_ref())) {
            return Err(ParseDatabaseUrlError::Parameter);
        }
        let options = url.as_str().parse().map_err(|_| ParseDatabaseUrlError::Parameter)?;
        // This fails only for a URL that cannot have a password.
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self(Kind::Postgres { options: Box::new(options), shown: url.into() }))
    }

    /// A SQLite database in this file, which is created if it is missing.
    #[must_use]
    pub fn sqlite(path: impl AsRef<Path>) -> Self {
        Self(Kind::Sqlite(path.as_ref().to_owned()))
    }

    /// Returns whether the database is on a server, which may be unreachable, rather than in a
    /// file.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(self.0, Kind::Postgres { .. })
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Kind::Postgres { shown, .. } => f.write_str(shown),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_is_parsed_and_displayed_without_its_password() {
        for (text, shown) in [
            ("sqlite:/var/lib/transom/transom.db", "sqlite:/var/lib/transom/transom.db"),
            ("sqlite:///srv/t.db", "sqlite:/srv/t.db"),
            (
                "postgres://u:hunter2@db.example:5433/transom?sslmode=verify-full",
                "postgres://u@db.example:5433/transom",
            ),
            ("postgresql://u:hunter2@db.example/transom", "postgresql://u@db.example/transom"),
        ] {
            let url = DatabaseUrl::parse(text).expect(shown);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("DatabaseUrl({shown})"));
        }
    }

    #[test]
    fn an_invalid_database_url_is_refused_without_quoting_it() {
        for text in [
            "",
            "transom.db",
            "sqlite:",
            "sqlite::memory:",
            "mysql://u:hunter2@h/db",
            "postgresql:hunter2",
            "postgres://u:hunter2@h:99999/db",
            "postgres://u:hunter2@h/db?sslpassword=hunter2",
            "postgres://u:hunter2@h/db?sslmode=hunter2",
        ] {
            let error = DatabaseUrl::parse(text).expect_err(text);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}");
        }
    }
}
