//! A proxy on the way out: HTTP CONNECT (RFC 9110 §9.3.6), for networks without another way out.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use transom_model::secret::Secret;
use transom_tunnel::Refusal;
use url::Url;

use crate::error::{SetupError, unreachable};

/// The longest head of an answer; a usual one has a few lines.
const MAX_HEAD: usize = 8 * 1024;
const MAX_HEADERS: usize = 64;

/// An HTTP proxy: `http://HOST:PORT`, or `http://USER:PASSWORD@HOST:PORT`.
#[derive(Clone)]
pub struct Proxy {
    host: String,
    port: u16,
    /// The value of `Proxy-Authorization`.
    authorization: Option<Secret>,
}

impl Proxy {
    /// Reads a proxy's URL. The error never contains its password.
    pub fn new(url: &str) -> Result<Self, SetupError> {
        let wrong = |why: &str| SetupError::new(format_args!("the proxy's URL: {why}"));
        // `HTTPS_PROXY=proxy:3128` is common.
        let spelled_out = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let parsed = Url::parse(&spelled_out).map_err(|error| wrong(&error.to_string()))?;
        if parsed.scheme() != "http" {
            return Err(wrong(&format!("{}:// is not supported; use http://HOST:PORT", parsed.scheme())));
        }
        let host = parsed.host_str().ok_or_else(|| wrong("it has no host"))?;
        let credentials = (!parsed.username().is_empty() || parsed.password().is_some()).then(|| {
            let [user, password] = [parsed.username(), parsed.password().unwrap_or_default()].map(decoded);
            let pair = [user.as_slice(), b":", password.as_slice()].concat();
            Secret::new(format!("Basic {}", STANDARD.encode(pair)))
        });
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: parsed.port_or_known_default().unwrap_or(80),
            authorization: credentials,
        })
    }

    /// The proxy that the environment names for this server.
    pub(crate) fn from_environment(
        server: &str,
        tls: bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, SetupError> {
        let variable = |name: &str| {
            [name.to_lowercase(), name.to_owned()].into_iter().find_map(|name| Some((variable(&name)?, name)))
        };
        if variable("NO_PROXY").is_some_and(|(list, _)| exempts(&list, server)) {
            return Ok(None);
        }
        let specific = if tls { variable("HTTPS_PROXY") } else { None };
        let Some((url, name)) = specific.or_else(|| variable("ALL_PROXY")) else { return Ok(None) };
        if url.is_empty() {
            return Ok(None);
        }
        Self::new(&url).map(Some).map_err(|error| SetupError::new(format_args!("{name}: {error}")))
    }

    /// Connects to the server through the proxy.
    pub(crate) async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Refusal> {
        let failed = |why: &dyn fmt::Display| {
            unreachable(format_args!("the proxy {}:{}: {why}", self.host, self.port))
        };
        let mut tcp =
            TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|error| failed(&error))?;
        let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let authorization = self.authorization.as_ref().map_or_else(String::new, |authorization| {
            format!("Proxy-Authorization: {}\r\n", authorization.expose())
        });
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n");
        tcp.write_all(request.as_bytes()).await.map_err(|error| failed(&error))?;
        match status(&mut tcp).await.map_err(|error| failed(&error))? {
            200..300 => Ok(tcp),
            407 if self.authorization.is_some() => Err(failed(&"it does not accept the user and password")),
            407 => Err(failed(&"it requires a user and a password: http://USER:PASSWORD@HOST:PORT")),
            403 => Err(failed(&format_args!("it does not allow connections to {target} (403)"))),
            code => Err(failed(&format_args!("it answered {code}"))),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

/// The status of the proxy's answer. Reads to the end of its head and no further, since the
/// server's bytes follow.
async fn status(tcp: &mut TcpStream) -> std::io::Result<u16> {
    let garbled = |what: &'static str| std::io::Error::other(what);
    let mut head = Vec::new();
    loop {
        // The head is read byte by byte, once per connection: no byte behind it may be consumed.
        head.push(tcp.read_u8().await?);
        if head.len() > MAX_HEAD {
            return Err(garbled("its answer is too long"));
        }
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        response.parse(&head).map_err(|_| garbled("the other end is not an HTTP proxy"))?;
        return response.code.ok_or_else(|| garbled("the other end is not an HTTP proxy"));
    }
}

/// Returns whether a list such as `localhost,.example.com,10.0.0.0/8` contains this host.
fn exempts(list: &str, host: &str) -> bool {
    let address: Option<std::net::IpAddr> = host.parse().ok();
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let domain = entry.trim_start_matches("*.").trim_start_matches('.');
        let within = |host: &str| {
            let longer = host.len().checked_sub(domain.len());
            longer.is_some_and(|longer| {
                host.get(longer..).is_some_and(|end| end.eq_ignore_ascii_case(domain))
                    && (longer == 0 || host[..longer].ends_with('.'))
            })
        };
        match (address, entry.parse::<IpNet>()) {
            _ if entry == "*" => true,
            (Some(address), Ok(network)) => network.contains(&address),
            (Some(address), Err(_)) => entry.trim_matches(['[', ']']).parse() == Ok(address),
            (None, _) => within(host),
        }
    })
}

/// Decodes percent signs in a part of a URL.
fn decoded(part: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, after @ ..] = rest {
        let byte = after.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = byte.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(url: &str) -> Option<String> {
        let proxy = Proxy::new(url).expect("a proxy");
        assert_eq!(format!("{proxy:?}"), "Proxy(proxy.example:3128)");
        proxy.authorization.map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn a_proxys_user_and_password_come_from_its_url_and_are_never_printed() {
        assert_eq!(authorization("proxy.example:3128"), None);
        let basic = authorization("http://Aladdin:open%20sesame@proxy.example:3128");
        // The example of RFC 7617 §2.
        assert_eq!(basic.as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        let signs = authorization("http://a+b:c%3D%26%2B@proxy.example:3128");
        assert_eq!(signs, Some(format!("Basic {}", STANDARD.encode("a+b:c=&+"))));
        for bad in [
            "socks5://user:hush@proxy:1080",
            "https://user:hush@proxy",
            "http://user:hush@",
            "http://user:hush@h:x",
        ] {
            let error = Proxy::new(bad).expect_err(bad).to_string();
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn the_environment_names_a_proxy_unless_it_exempts_the_server() {
        let found = |server: &str, tls, set: &[(&str, &str)]| {
            let variable = |name: &str| {
                set.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
            };
            Proxy::from_environment(server, tls, variable).map(|proxy| proxy.map(|proxy| proxy.host))
        };
        let https = ("HTTPS_PROXY", "http://secure:1");
        let all = ("ALL_PROXY", "http://all:1");
        let named = |set: &[(&str, &str)]| found("console.example.com", true, set).expect("a proxy");
        assert_eq!(named(&[]), None);
        assert_eq!(named(&[https, all]).as_deref(), Some("secure"));
        assert_eq!(named(&[all]).as_deref(), Some("all"));
        assert_eq!(named(&[https, ("https_proxy", "small:1")]).as_deref(), Some("small"));
        assert_eq!(named(&[https, ("https_proxy", "")]), None);
        assert_eq!(found("console.example.com", false, &[https]).expect("none"), None);
        let wrong =
            found("console.example.com", true, &[("ALL_PROXY", "socks5://u:hush@h")]).expect_err("SOCKS");
        assert_eq!(
            wrong.to_string(),
            "ALL_PROXY: the proxy's URL: socks5:// is not supported; use http://HOST:PORT"
        );
        for (list, host, exempt) in [
            ("*", "console.example.com", true),
            ("localhost, example.com", "console.example.com", true),
            (".example.com", "console.EXAMPLE.com", true),
            ("*.example.com", "example.com", true),
            ("ample.com", "console.example.com", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("::1", "::1", true),
            ("3", "10.1.2.3", false),
            ("", "example.com", false),
        ] {
            assert_eq!(exempts(list, host), exempt, "{list} {host}");
        }
    }
}
