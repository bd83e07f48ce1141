//! The catalogue: where the services are. Each URL has its service's version document at the parent that names no version,
//! since clients cut the version off and look there.

use serde_json::{Value, json};
use transom_model::project::Project;

use transom_app::App;

/// Below this path there is identity alone.
pub(super) const IDENTITY: &str = "/identity";
/// Below this path there is compute alone.
const COMPUTE: &str = "/compute";

/// Whose words a catalogue of Keystone v2.0 is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// OpenStack's own.
    Openstack,
    /// Rackspace's: its clients look for services by these.
    Rackspace,
}

impl Names {
    /// What compute and identity are called.
    fn of_services(self) -> (&'static str, &'static str) {
        match self {
            Self::Openstack => ("nova", "keystone"),
            Self::Rackspace => ("cloudServersOpenStack", "cloudIdentity"),
        }
    }
}

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
    let (compute, identity) = Names::Openstack.of_services();
    json!([
        service("compute", compute, &format!("{COMPUTE}/v2.1")),
        service("identity", identity, &format!("{IDENTITY}/v3")),
    ])
}

/// Keystone v2.0's form.
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
