//! The catalogue: where the services are.

use serde_json::{Value, json};
use transom_model::project::Project;

use crate::app::App;

/// Keystone v3's form.
pub(super) fn v3(app: &App) -> Value {
    let region = &app.config().openstack.region;
    let service = |kind: &str, name: &str, path: &str| {
        let endpoints: Vec<Value> = ["public", "internal", "admin"]
            .into_iter()
            .map(|interface| {
                json!({
                    "id": format!("{kind}-{interface}"), "interface": interface, "region": region,
                    "region_id": region, "url": format!("{}{path}", base(app)),
                })
            })
            .collect();
        json!({ "id": kind, "type": kind, "name": name, "endpoints": endpoints })
    };
    json!([service("compute", "nova", "/v2.1"), service("identity", "keystone", "/v3")])
}

/// Keystone v2.0's form, with the name that Rackspace's clients look for.
pub(super) fn v2(app: &App, project: &Project) -> Value {
    let region = &app.config().openstack.region;
    let service = |kind: &str, name: &str, path: &str| {
        let url = format!("{}{path}", base(app));
        json!({
            "type": kind, "name": name,
            "endpoints": [{
                "region": region, "tenantId": project.id.to_string(),
                "publicURL": url, "internalURL": url, "adminURL": url,
            }],
        })
    };
    json!([
        service("compute", "cloudServersOpenStack", &format!("/v2/{}", project.id)),
        service("identity", "cloudIdentity", "/v2.0"),
    ])
}

fn base(app: &App) -> &str {
    app.public_url().as_str().trim_end_matches('/')
}
