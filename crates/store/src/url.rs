//! Where the database is.

use std::fmt;
use std::path::{Path, PathBuf};

use sqlx::postgres::PgConnectOptions;
use url::Url;

/// Where the database is: `sqlite:/path/to/file` or `postgres://user:password@host:port/name?sslmode=verify-full`.
///
/// Neither `Debug` nor `Display` shows the password. Without `sslmode`, TLS is used where PostgreSQL offers it, but its
/// certificate is not verified.
#[derive(Clone)]
pub struct DatabaseUrl(Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    Sqlite(PathBuf),
    Postgres { options: Box<PgConnectOptions>, shown: String },
}

/// The parameters of a PostgreSQL URL that mean something here. Others are refused, since sqlx would log their values.
const PARAMETERS: [&str; 5] = ["sslmode", "sslrootcert", "sslcert", "sslkey", "host"];

/// Why a text is not a database URL. It never repeats the text, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDatabaseUrlError {
    /// Neither of the two forms.
    #[error("a database URL is postgres://user:password@host:port/name or sqlite:/path/to/file")]
    Form,
    /// A parameter that means nothing here, or has a value that it cannot have.
    #[error(
        "a PostgreSQL URL may have the parameters sslmode (disable, prefer, require, verify-ca, verify-full), \
             sslrootcert, sslcert, sslkey and host"
    )]
    Parameter,
}

impl DatabaseUrl {
    /// Reads `postgres://…`, `postgresql://…` or `sqlite:/path`.
    pub fn parse(text: &str) -> Result<Self, ParseDatabaseUrlError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            // `:memory:` would be another database for every connection.
            if path.is_empty() || path.starts_with(':') {
                return Err(ParseDatabaseUrlError::Form);
            }
            return Ok(Self::sqlite(path));
        }
        let mut url = Url::parse(text).map_err(|_| ParseDatabaseUrlError::Form)?;
        // `postgresql:name` would be a database on this machine whose name is nowhere.
        if !matches!(url.scheme(), "postgres" | "postgresql") || !url.has_authority() {
            return Err(ParseDatabaseUrlError::Form);
        }
        if !url.query_pairs().all(|(name, _)| PARAMETERS.contains(&name.as_ref())) {
            return Err(ParseDatabaseUrlError::Parameter);
        }
        let options = url.as_str().parse().map_err(|_| ParseDatabaseUrlError::Parameter)?;
        // Only a URL that cannot have a password refuses this, and then there is none to hide.
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self(Kind::Postgres { options: Box::new(options), shown: url.into() }))
    }

    /// A SQLite database in this file, which is made where it is missing.
    #[must_use]
    pub fn sqlite(path: impl AsRef<Path>) -> Self {
        Self(Kind::Sqlite(path.as_ref().to_owned()))
    }

    /// Whether it is a server's, which may be out of reach; a file is not.
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
    fn a_database_url_is_read_and_shown_without_its_password() {
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
    fn what_is_not_a_database_url_is_refused_without_repeating_it() {
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
