//! Guests: users of an existing cloud, who present a token of its Keystone.

use transom_model::access_key::Role;
use transom_model::project::{Project, ProjectName};

use crate::Caller;
use crate::access::caller::{Attempt, Proof};
use crate::error::{Error, Needed, Result};
use crate::existing_cloud::ExistingCloud;
use crate::metrics::Lookup;
use transom_sources::openstack::Guest;

impl ExistingCloud {
    /// Authenticates a caller. Asks the existing cloud's Keystone about a token that Transom did
    /// not issue.
    pub async fn authenticate_or_ask(&self, proof: &Proof, attempt: Attempt<'_>) -> Result<Caller> {
        let (Proof::Token(token), Some(upstream)) = (proof, &self.upstream) else {
            return self.access.authenticate(proof, attempt).await;
        };
        if !upstream.validates(token.expose()) {
            return self.access.authenticate(proof, attempt).await;
        }
        match self.access.authenticate_token(token).await {
            // A token that Transom issued and that has ended is not a token of the cloud.
            Err(Error::Unauthenticated(why)) if self.core.store.was_token(token.digest()).await? => {
                Err(self.access.failed_proof(attempt, None, Error::Unauthenticated(why)))
            }
            Err(Error::Unauthenticated(why)) => {
                let answer =
                    self.guarded_lookup(Lookup::UserToken, attempt, upstream.validate(token)).await?;
                match answer {
                    Some(guest) => self.admit_guest(guest, attempt).await,
                    None => Err(self.access.failed_proof(attempt, None, Error::Unauthenticated(why))),
                }
            }
            other => other,
        }
    }

    /// Accepts a guest whose project exists here, by the project's id in the cloud or by its name
    /// in the configured domain.
    async fn admit_guest(&self, guest: Guest, attempt: Attempt<'_>) -> Result<Caller> {
        let project = match self.project_called(&guest.project_id).await? {
            None if guest.project_domain == self.core.config.openstack.keystone_domain => {
                self.project_called(&guest.project_name).await?
            }
            found => found,
        };
        let why = match (project, guest.role) {
            (Some(project), Some(role)) => {
                let Guest { user, project_id: home, until, .. } = guest;
                return Ok(Caller::Guest { user, home, project: project.id, role, until });
            }
            (None, _) => "no project here is named after the user's: transom project add NAME",
            (Some(_), None) => "the user has none of the roles reader, member and admin in its project",
        };
        if self.access.is_news_of(attempt.source) {
            let Guest { user, project_id, project_name, project_domain, .. } = guest;
            let request = attempt.request;
            tracing::warn!(
                %request, user, project_id, project_name, project_domain, error = why, "a user of the existing cloud was refused"
            );
        }
        Err(Error::Forbidden { needed: Needed::Role(Role::Reader) })
    }

    async fn project_called(&self, name: &str) -> Result<Option<Project>> {
        match name.parse::<ProjectName>() {
            Ok(name) => Ok(self.core.store.project_named(&name).await?),
            Err(_) => Ok(None),
        }
    }
}
