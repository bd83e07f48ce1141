//! The catalogue with the URLs of the services. The version document of each service is at the
//! URL's parent, since clients cut the version off and look there.

use serde_json::{Value, json};
use transom_model::project::Project;

use transom_app::App;

/// The root of the identity service alone.
pub(super) const IDENTITY: &str = "/identity";
/// The root of the compute service alone.
const COMPUTE: &str = "/compute";

/// The names of services in a catalogue of Keystone v2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// OpenStack's own names.
    Openstack,
    /// Rackspace's names, by which its clients look for services.
    Rackspace,
}

impl Names {
    /// The names of compute and identity.
    fn of_services(self) -> (&'static str, &'static str) {
        match self {
            Self::Openstack => ("nova", "keystone"),
            Self::Rackspace => ("cloudServersOpenStack", "cloudIdentity"),
        }
    }
}

/// The catalogue in Keystone v3's form.
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
    let (compute, identity) = Names::Openstack.of_services();
    json!([
        service("compute", compute, &format!("{COMPUTE}/v2.1")),
        service("identity", identity, &format!("{IDENTITY}/v3")),
    ])
}

/// The catalogue in Keystone v2.0's form.
pub(super) fn v2(app: &App, project: &Project, names: Names) -> Value {
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
    let (compute, identity) = names.of_services();
    json!([
        service("compute", compute, &format!("{COMPUTE}/v2/{}", project.id)),
        service("identity", identity, &format!("{IDENTITY}/v2.0")),
    ])
}

fn base(app: &App) -> &str {
    app.public_url().as_str().trim_end_matches('/')
}
