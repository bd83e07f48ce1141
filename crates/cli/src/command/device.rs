//! The common parts of `transom agent` and `transom connect`.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use transom_agent::{Credentials, Identity, Proxy, Refusal, Server};
use transom_folder::Folder;
use transom_model::cloud::CloudAddress;
use transom_model::secret::Secret;

use crate::args::{Common, Joining};
use crate::command::file::read_password;
use crate::failure::Failure;
use crate::output::say;

/// The folder of this end's key and of the keys that it knows, in the data folder.
const FOLDER: &str = "device";

/// The settings for joining.
pub(super) struct Setup {
    pub(super) server: Server,
    pub(super) identity: Identity,
    /// The folder of this end's keys and state.
    pub(super) folder: PathBuf,
}

impl Setup {
    pub(super) fn read(common: &Common, joining: &Joining) -> Result<Self, Failure> {
        let url = common.server.as_ref().ok_or_else(|| {
            Failure::theirs("no server was given").with_next_step("Give its URL: --server https://…")
        })?;
        let server = Server::new(url.as_str(), joining.ca.as_deref(), joining.insecure)?;
        let proxy = match (&joining.proxy, &joining.proxy_file) {
            (None, Some(file)) => Some(Secret::new(read_password(file)?)),
            (proxy, _) => proxy.clone(),
        };
        let server = match &proxy {
            Some(url) => server
                .through(Proxy::new(url.expose()).map_err(|error| Failure::theirs(error).of("--proxy"))?),
            None => server.through_environment(|name| std::env::var(name).ok())?,
        };
        // The enclosing folder is checked too: a user who can write to it could put another folder
        // in place of the inner one.
        Folder::open(&common.data)?;
        let folder = common.data.join(FOLDER);
        let identity = Identity::open(&folder)?;
        Ok(Self { server, identity, folder })
    }
}

/// Returns the address with the password from the file.
pub(super) fn credentials(address: CloudAddress, password_file: &Path) -> Result<Credentials, Failure> {
    let password = read_password(password_file)?;
    if password.trim().is_empty() {
        return Err(Failure::theirs("the password file is empty").with_next_step(
            "It must contain the cloudPassword that was printed when the address was issued, or by transom address reset",
        ));
    }
    Ok(Credentials::new(address, password))
}

/// Prints the next step, if one is known for this refusal.
pub(super) fn advise(refusal: &Refusal) {
    if let Some(advice) = refusal.advice {
        say(format_args!("         {advice}"));
    }
}

/// Runs until the work is done. A signal cancels `stop` first, so that the work can end in order.
pub(super) async fn run<T>(stop: CancellationToken, work: impl Future<Output = T>) -> Result<T, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::ours)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::ours)?;
    let telling = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        done = work => Ok(done),
        never = telling => match never {},
    }
}
