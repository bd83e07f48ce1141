//! What has the right form and would silently do nothing, or fail at its first use: told at the start, with its key.

use std::time::Duration;
use transom_tunnel::message::MAX_PLACE;

use super::{Config, GrantPolicy, Limit};
use crate::app::console::{MAX_TTL, MAX_USES};
use crate::app::tokens::MAX_TOKEN_TTL;
use crate::gateway::limits::INSTANCE_HANDSHAKE;

/// Longer than dial and handshakes may take.
const MIN_RESUME: Duration = Duration::from_secs(30);
/// A VNC server may take so long in any case.
const MIN_ACCEPT_WAIT: Duration = INSTANCE_HANDSHAKE;
/// With dial and handshakes it is within [`Store::RESERVATION_LIMIT`](transom_store::Store::RESERVATION_LIMIT).
const MAX_ACCEPT_WAIT: Duration = Duration::from_secs(180);

impl Config {
    pub(super) fn check(&self) -> Result<(), String> {
        for ancestor in &self.console.frame_ancestors {
            let plain = ancestor.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b','));
            if !plain || !(ancestor.starts_with("https://") || ancestor.starts_with("http://")) {
                return Err(format!(
                    "console.frame_ancestors: {ancestor:?} is not an origin such as https://portal.example.com"
                ));
            }
        }
        if self.limits.device_sessions_per_address == 0 {
            return Err(
                "limits.device_sessions_per_address: must be more than 0, or no viewer ever joins".to_owned()
            );
        }
        if let Some(place) = &self.relay.public_address {
            let named = place.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
            });
            if !named || place.len() > MAX_PLACE {
                return Err(
                    "relay.public_address: must be HOST:PORT, such as console.example.com:5443".to_owned()
                );
            }
        }
        if self.console.resume.0 < MIN_RESUME {
            return Err("console.resume: must be at least 30s, or a slow instance outlasts it".to_owned());
        }
        if !(MIN_ACCEPT_WAIT..=MAX_ACCEPT_WAIT).contains(&self.console.accept_wait.0) {
            return Err("console.accept_wait: must be from 10s to 3m".to_owned());
        }
        for (key, limit) in [("max_session", self.console.max_session), ("idle", self.console.idle)] {
            if limit == Limit(Some(Duration::ZERO)) {
                return Err(format!("console.{key}: must be more than 0, or \"off\""));
            }
        }
        let grants = &self.grants;
        for (dialect, policy) in
            [("native", grants.native), ("zenlayer", grants.zenlayer), ("openstack", grants.openstack)]
        {
            check_grants(dialect, policy)?;
        }
        self.check_openstack()
    }

    fn check_openstack(&self) -> Result<(), String> {
        let openstack = &self.openstack;
        let ttl = openstack.token_ttl.0;
        if ttl.is_zero() || ttl > MAX_TOKEN_TTL {
            return Err("openstack.token_ttl: must be more than 0 and at most 30d".to_owned());
        }
        if openstack.nova_url.is_none() {
            let alone = "means nothing without nova_url, whose consoles it is about";
            if !openstack.nova_targets.allow.is_empty() {
                return Err(format!("openstack.nova_targets: {alone}"));
            }
            if openstack.nova_vencrypt.is_some() {
                return Err(format!("openstack.nova_vencrypt: {alone}"));
            }
        }
        Ok(())
    }
}

fn check_grants(dialect: &str, policy: GrantPolicy) -> Result<(), String> {
    if policy.ttl.0.is_zero() || policy.ttl.0 > MAX_TTL {
        return Err(format!("grants.{dialect}.ttl: must be more than 0 and at most 7d"));
    }
    if policy.uses > MAX_USES {
        return Err(format!("grants.{dialect}.uses: must be at most {MAX_USES}, or 0 for no limit"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("[grants.native]\nttl = \"0s\"", "grants.native.ttl"),
            ("[grants.zenlayer]\nttl = \"8d\"", "grants.zenlayer.ttl"),
            ("[grants.openstack]\nttl = \"30d\"", "grants.openstack.ttl"),
            ("[grants.native]\nuses = 10001", "grants.native.uses"),
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
        Config::parse("[grants.native]\nttl = \"7d\"\n[openstack]\ntoken_ttl = \"30d\"")
            .expect("the longest");
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
            told("[grants.native]\nuses = -1"),
            "grants.native.uses: invalid value: integer `-1`, expected a whole number that is not negative"
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
}
