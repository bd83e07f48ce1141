//! Validates tokens that the existing Keystone issued.

use http::StatusCode;
use serde_json::Value;
use transom_model::Timestamp;
use transom_model::access_key::Role;
use transom_model::secret::Secret;

use super::answer::{LookupError, Question};
use super::urls::below;
use super::{ADMINISTRATOR, Upstream, admin};

/// The longest token. Signed tokens of users with many roles come closest to it.
const MAX_TOKEN: usize = 4096;
/// The longest user id. Ids are 32 or 64 hexadecimal digits.
const MAX_USER: usize = 64;

/// A user of the existing cloud, in one project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The user's id in the cloud.
    pub user: String,
    /// The project's id in the cloud.
    pub project_id: String,
    /// The project's name.
    pub project_name: String,
    /// The id of the domain that the project's name belongs to.
    pub project_domain: String,
    /// The strongest role among those that Transom knows.
    pub role: Option<Role>,
    /// The time until which the token is valid, if Keystone names it.
    pub until: Option<Timestamp>,
}

impl Upstream {
    /// Tells whether Keystone could have made this token: one word, not too long.
    pub fn validates(&self, token: &str) -> bool {
        let is_word = || token.bytes().all(|byte| byte.is_ascii_graphic());
        self.keystone.is_some() && (1..=MAX_TOKEN).contains(&token.len()) && is_word()
    }

    /// Asks Keystone about a token. A token that is not scoped to a project is unknown.
    pub async fn validate(&self, token: &Secret) -> Result<Guest, LookupError> {
        let Some(keystone) = self.keystone.as_ref().filter(|_| self.validates(token.expose())) else {
            return Err(LookupError::Unknown);
        };
        let what = "validation of a token at Keystone";
        let question = Question { what, at: keystone, key: "keystone_url", denied: ADMINISTRATOR };
        let mut url = below(keystone, &["auth", "tokens"]);
        url.set_query(Some("nocatalog"));
        let subject = admin::value(token)?;
        let ask =
            |http: &reqwest::Client| http.get(url.clone()).header(admin::SUBJECT_TOKEN, subject.clone());
        let answer = self.ask(&question, ask).await?;
        match answer.status {
            StatusCode::OK => guest(&answer.body["token"]).ok_or(LookupError::Unknown),
            StatusCode::NOT_FOUND if answer.body.get("error").is_some() => Err(LookupError::Unknown),
            _ => Err(answer.unexpected(&question)),
        }
    }
}

fn guest(token: &Value) -> Option<Guest> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let user: String = token["user"]["id"].as_str()?.chars().take(MAX_USER).collect();
    let project = &token["project"];
    let roles = token["roles"].as_array()?.iter().filter_map(|role| role["name"].as_str());
    Some(Guest {
        user: Some(user).filter(|user| user.bytes().all(|byte| byte.is_ascii_graphic()))?,
        project_id: text(&project["id"])?,
        project_name: text(&project["name"])?,
        project_domain: text(&project["domain"]["id"])?,
        role: roles.filter_map(|name| role(&name.to_ascii_lowercase())).max(),
        until: serde_json::from_value(token["expires_at"].clone()).ok(),
    })
}

/// Returns the role of this name: one that Keystone creates at its bootstrap, or the older name of
/// `member`.
fn role(name: &str) -> Option<Role> {
    match name {
        "reader" => Some(Role::Reader),
        "member" | "_member_" => Some(Role::Member),
        "admin" => Some(Role::Admin),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_token_names_a_user_a_project_and_the_strongest_role_known_here() {
        let token = |roles: Value| json!({"user": {"id": "u1"}, "project": {"id": "p1", "name": "lab", "domain": {"id": "default"}}, "roles": roles});
        let role = |roles| guest(&token(roles)).expect("a guest").role;
        assert_eq!(
            role(json!([{"name": "reader"}, {"name": "Member"}, {"name": "load-balancer_admin"}])),
            Some(Role::Member)
        );
        assert_eq!(role(json!([{"name": "admin"}, {"name": "reader"}])), Some(Role::Admin));
        assert_eq!(role(json!([{"name": "auditor"}])), None);
        let until = |text: &str| {
            let mut token = token(json!([]));
            token["expires_at"] = json!(text);
            guest(&token).expect("a guest").until
        };
        assert_eq!(until("1970-01-01T00:00:01.000000Z"), Some(Timestamp(1_000_000)));
        assert_eq!(until("tomorrow"), None);
        assert_eq!(guest(&json!({"user": {"id": "u1"}, "roles": []})), None, "for no project");
    }
}
