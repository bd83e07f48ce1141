use std::time::Duration;

use transom_model::dialect::Dialect;

use super::*;

#[test]
fn a_file_may_say_only_what_it_wants_to_change() {
    let config = Config::parse(
        "[console]\nidle = \"30m\"\nmax_session = \"off\"\n[links.zenlayer]\nuses = 1\n\
         [endpoints]\nallow = [\"10.0.0.0/8:5900-5999\"]\n[http]\npublic_url = \"https://c.example\"",
    )
    .expect("configuration");
    assert_eq!(config.console.idle, Limit(Some(Duration::from_secs(1800))));
    assert_eq!(config.console.max_session, Limit(None));
    assert_eq!(config.links.zenlayer.uses, 1);
    assert_eq!(config.links.of(Dialect::Openstack).ttl.0, Duration::from_secs(600));
}

/// Returns the pages of the manual, including those in its folders.
fn pages(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the manual").map(|entry| entry.expect("an entry").path());
    let pages = entries.flat_map(|path| match path.extension() {
        _ if path.is_dir() => pages(&path),
        Some(extension) if extension == "md" => vec![std::fs::read_to_string(path).expect("a page")],
        _ => Vec::new(),
    });
    pages.collect()
}

#[test]
fn every_example_of_the_manual_is_a_configuration() {
    let pages = pages(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs"));
    let fences = pages.iter().flat_map(|page| page.split("```toml\n").skip(1));
    let examples: Vec<_> = fences.filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() > 5, "{examples:?}");
    for example in examples {
        // An example in a list is indented with it.
        let lines: Vec<_> = example.lines().map(str::trim_start).collect();
        assert_eq!(Config::parse(&lines.join("\n")).err(), None, "{example}");
        // The lines that are commented out must be a valid configuration, too.
        let whole: Vec<_> = lines.iter().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
        assert_eq!(Config::parse(&whole.join("\n")).err(), None, "{example}");
    }
}

#[test]
fn a_typo_is_an_error_that_names_the_key() {
    let error = Config::parse("[console]\nidel = \"30m\"").expect_err("a typo");
    assert!(error.starts_with("console.idel: unknown field `idel`"), "{error}");
    let error = Config::parse("[console]\nresume = \"soon\"").expect_err("no duration");
    assert_eq!(error, "console.resume: \"soon\" is not a duration such as 60s, 10m, 12h or 30d");
}

#[test]
fn what_would_silently_do_nothing_is_an_error() {
    for (text, key) in [
        ("[http]\npublic_url = \"ftp://c.example\"", "http.public_url"),
        ("[http]\npublic_url = \"c.example\"", "http.public_url"),
        ("[http]\npublic_url = \"https://c.example/base\"", "http.public_url"),
        ("[http]\npublic_url = \"https://c.example/?x=1\"", "http.public_url"),
        ("[http]\ntrusted_proxies = [\"127.0.0.1/33\"]", "http.trusted_proxies"),
        ("[console]\nallowed_origins = [\"https://p.example/page\"]", "console.allowed_origins"),
        ("[console]\nallowed_origins = [\"p.example\"]", "console.allowed_origins"),
        ("[console]\nframe_ancestors = [\"https://p.example\\nx\"]", "console.frame_ancestors"),
        ("[console]\nframe_ancestors = [\"https://p.example; script-src *\"]", "console.frame_ancestors"),
        ("[console]\nresume = \"5s\"", "console.resume"),
        ("[console]\naccept_wait = \"5s\"", "console.accept_wait"),
        ("[console]\naccept_wait = \"4m\"", "console.accept_wait"),
        ("[console]\nidle = \"0s\"", "console.idle"),
        ("[relay]\npublic_address = \"console.example.com\"", "relay.public_address"),
        ("[limits]\ndevice_sessions_per_address = 0", "limits.device_sessions_per_address"),
        ("[endpoints]\nallow = [\"10.0.0.0/8:5999-5900\"]", "endpoints.allow[0]"),
        ("[openstack]\nnova_targets = [\"10.0.0.0/8\"]", "openstack.nova_targets"),
    ] {
        let error = Config::parse(text).expect_err(text);
        assert!(error.starts_with(&format!("{key}: ")), "{text}: {error}");
    }
    Config::parse("[http]\npublic_url = \"https://c.example:8443\"\n[console]\nframe_ancestors = [\"https://*.p.example\"]")
        .expect("configuration");
}

#[test]
fn what_every_call_would_refuse_is_refused_at_the_start() {
    for (text, key) in [
        ("[links.api]\nttl = \"0s\"", "links.api.ttl"),
        ("[links.zenlayer]\nttl = \"8d\"", "links.zenlayer.ttl"),
        ("[links.openstack]\nttl = \"30d\"", "links.openstack.ttl"),
        ("[links.api]\nuses = 10001", "links.api.uses"),
        ("[openstack]\ntoken_ttl = \"90d\"", "openstack.token_ttl"),
        ("[openstack]\nxvpvnc_url = \"http://h/prefix?x=1\"", "openstack.xvpvnc_url"),
        ("[openstack]\nxvpvnc_url = \"ftp://h\"", "openstack.xvpvnc_url"),
        ("[openstack]\nnova_url = \"file:///etc\"", "openstack.nova_url"),
        ("[openstack]\nkeystone_url = \"keystone.example:5000\"", "openstack.keystone_url"),
        ("[openstack.admin]\nauth_url = \"https://u:hunter2@h/v3\"", "openstack.admin.auth_url"),
    ] {
        let error = Config::parse(text).expect_err(text);
        assert!(error.starts_with(&format!("{key}: ")) && !error.contains("hunter2"), "{text}: {error}");
    }
    Config::parse("[links.api]\nttl = \"7d\"\n[openstack]\ntoken_ttl = \"30d\"").expect("the longest");
}

#[test]
fn what_can_only_mean_one_thing_is_taken() {
    let text = "[http]\ntrusted_proxies = [\"127.0.0.1\", \"::1\", \"10.0.0.0/8\"]\n\
                [console]\nallowed_origins = [\"https://portal.example/\", \"https://Shop.example:443\"]";
    let config = Config::parse(text).expect("configuration");
    let networks: Vec<_> = config.http.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["127.0.0.1/32", "::1/128", "10.0.0.0/8"]);
    let origins: Vec<_> = config.console.allowed_origins.iter().map(String::as_str).collect();
    assert_eq!(origins, ["https://portal.example", "https://shop.example"]);
}

#[test]
fn a_wrong_value_is_told_in_words_for_people() {
    let told = |text: &str| Config::parse(text).expect_err(text);
    assert_eq!(
        told("[links.api]\nuses = -1"),
        "links.api.uses: invalid value: integer `-1`, expected a whole number that is not negative"
    );
    assert_eq!(
        told("[http]\ntrusted_proxies = [\"10.0.0.0/33\"]"),
        "http.trusted_proxies: \"10.0.0.0/33\" is neither an address nor a network such as 10.0.0.0/8"
    );
    assert_eq!(
        told("[http]\npublic_url = \"console.example.com\""),
        "http.public_url: must be like https://console.example.com, without a path"
    );
}
