//! Members that came and went with microversions, and items that can be requested separately.

use reqwest::Method;
use serde_json::{Value, json};
use transom_app::inventory::instances::InstanceInput;

use crate::house::{Answer, House, RUNNING, STOPPED, answer};

async fn at(house: &House, minor: u16, method: Method, path: &str) -> Answer {
    let request = house.request(method, &format!("/compute/v2.1{path}"));
    let request = request.basic_auth(&house.member.id, Some(&house.member.secret));
    answer(request.header("openstack-api-version", format!("compute 2.{minor}"))).await
}

async fn get(house: &House, minor: u16, path: &str) -> Value {
    let found = at(house, minor, Method::GET, path).await;
    assert_eq!(found.status, 200, "2.{minor} {path}: {}", found.body);
    found.body
}

#[tokio::test]
async fn a_server_tells_what_came_with_each_microversion_and_nothing_before() {
    let house = House::start().await;
    let name = Some("My Web_ Server Nr. 1".to_owned());
    house.changes(RUNNING, InstanceInput { name, ..InstanceInput::default() }).await;
    house.changes(STOPPED, InstanceInput { name: Some("Ω".to_owned()), ..InstanceInput::default() }).await;
    for (minor, member, value) in [
        (9, "locked", json!(false)),
        (19, "description", Value::Null),
        (26, "tags", json!([])),
        (63, "trusted_image_certificates", Value::Null),
        (71, "server_groups", json!([])),
        (73, "locked_reason", Value::Null),
        (90, "OS-EXT-SRV-ATTR:hostname", json!("my-web-server-nr.-1")),
        (96, "pinned_availability_zone", Value::Null),
        (100, "scheduler_hints", json!({})),
    ] {
        let path = format!("/servers/{RUNNING}");
        let (before, after) = (get(&house, minor - 1, &path).await, get(&house, minor, &path).await);
        assert!(before["server"].get(member).is_none(), "{member}");
        assert_eq!(after["server"].get(member), Some(&value), "{member}");
        let listed = get(&house, minor, "/servers/detail").await;
        assert_eq!(listed["servers"][0].get(member).is_some(), member != "server_groups", "{member}");
    }
    // A name without a Latin letter yields no host name.
    let other = get(&house, 104, &format!("/servers/{STOPPED}")).await;
    assert_eq!(other["server"]["OS-EXT-SRV-ATTR:hostname"], STOPPED);
    // Upstream does not accept an empty text as a user.
    assert_eq!(other["server"]["user_id"], "UNKNOWN");
}

#[tokio::test]
async fn a_flavor_tells_what_came_and_went() {
    let house = House::start().await;
    let flavor = async |minor| get(&house, minor, "/flavors/machine").await["flavor"].clone();
    let (first, last) = (flavor(1).await, flavor(104).await);
    assert_eq!((&first["swap"], &last["swap"]), (&json!(""), &json!(0)));
    for (member, came, gone) in [
        ("description", 55, 105),
        ("extra_specs", 61, 105),
        ("rxtx_factor", 1, 102),
        ("OS-FLV-DISABLED:disabled", 1, 102),
    ] {
        for minor in [1, came, came.max(2) - 1, gone - 1, 104] {
            let there = flavor(minor).await.get(member).is_some();
            assert_eq!(there, (came..gone).contains(&minor), "{member} at 2.{minor}");
        }
    }
    let listed = async |minor, name: &str| {
        let found = get(&house, minor, &format!("/flavors?name={name}")).await;
        found["flavors"].as_array().unwrap().len()
    };
    assert_eq!(
        (listed(101, "other").await, listed(102, "other").await, listed(102, "mach").await),
        (1, 0, 1)
    );
    assert_eq!(get(&house, 1, "/flavors/machine/os-extra_specs").await, json!({"extra_specs": {}}));
    assert_eq!(at(&house, 1, Method::GET, "/flavors/other/os-extra_specs").await.status, 404);
}

#[tokio::test]
async fn limits_count_the_projects_instances_and_lose_what_upstream_dropped() {
    let house = House::start().await;
    let limits = async |minor| get(&house, minor, "/limits").await["limits"]["absolute"].clone();
    for minor in [1, 104] {
        let limits = limits(minor).await;
        assert_eq!((&limits["totalInstancesUsed"], &limits["maxTotalInstances"]), (&json!(2), &json!(-1)));
        assert_eq!(limits["maxServerMeta"], 128);
    }
    for (gone, name) in [
        (36, "maxTotalFloatingIps"),
        (36, "totalSecurityGroupsUsed"),
        (39, "maxImageMeta"),
        (57, "maxPersonality"),
    ] {
        let told = [limits(gone - 1).await, limits(gone).await].map(|limits| limits.get(name).is_some());
        assert_eq!(told, [true, false], "{name}");
    }
}

#[tokio::test]
async fn parts_of_a_server_and_extensions_may_be_asked_for_by_themselves() {
    let house = House::start().await;
    assert_eq!(get(&house, 1, "/servers/web-1/ips").await, json!({"addresses": {}}));
    assert_eq!(get(&house, 1, "/servers/web-1/metadata").await, json!({"metadata": {}}));
    let extensions = get(&house, 1, "/extensions").await;
    for extension in extensions["extensions"].as_array().unwrap() {
        let path = format!("/extensions/{}", extension["alias"].as_str().unwrap());
        assert_eq!(get(&house, 1, &path).await["extension"], *extension);
    }
    for (path, sentence) in [
        ("/servers/web-1/ips/private", "Instance is not a member of specified network"),
        ("/servers/web-1/metadata/a", "Metadata item was not found"),
        ("/servers/theirs/ips", "Instance theirs could not be found."),
        ("/servers/theirs/metadata/a", "Instance theirs could not be found."),
        ("/extensions/os-agents", "Extension os-agents could not be found."),
    ] {
        let missing = at(&house, 1, Method::GET, path).await;
        assert_eq!(missing.body, json!({"itemNotFound": {"code": 404, "message": sentence}}), "{path}");
    }
    for path in ["/servers/web-1/ips", "/limits", "/extensions"] {
        let refused = at(&house, 104, Method::POST, path).await;
        assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD"), "{path}");
    }
}

#[tokio::test]
async fn a_status_that_there_is_not_finds_nothing_and_is_refused_from_2_38_on() {
    let house = House::start().await;
    assert_eq!(get(&house, 37, "/servers?status=nonsense").await, json!({"servers": []}));
    let refused = at(&house, 38, Method::GET, "/servers?status=nonsense").await;
    assert_eq!(refused.body, json!({"badRequest": {"code": 400, "message": "Invalid status value"}}));
    assert_eq!(get(&house, 38, "/servers?status=shutoff").await["servers"][0]["id"], STOPPED);
}

#[tokio::test]
async fn a_path_without_a_version_is_answered_with_the_same_path_of_each() {
    let house = House::start().await;
    let asked = answer(house.request(Method::GET, "/compute/servers/web%201")).await;
    assert_eq!(asked.status, 300);
    let links: Vec<_> =
        asked.body["choices"].as_array().unwrap().iter().map(|choice| &choice["links"][0]["href"]).collect();
    let expected = ["/compute/v2/servers/web%201", "/compute/v2.1/servers/web%201"]
        .map(|path| json!(format!("{}{path}", house.url)));
    assert_eq!(links, expected.iter().collect::<Vec<_>>());
    assert!(asked.body["choices"][1]["media-types"][0]["type"].is_string());
    let one = answer(house.request(Method::GET, "/compute/v2.1/")).await;
    assert_eq!(one.body["version"]["links"][1]["rel"], "describedby");
}
