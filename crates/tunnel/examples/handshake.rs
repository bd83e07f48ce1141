//! Measures the cost of a session's end-to-end handshake, full and resumed: CPU time of both ends,
//! bytes, flights.
//!
//! `cargo run --release -p transom-tunnel --example handshake`

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, HandshakeKind, ServerConfig, ServerConnection, SideData,
};
use transom_tunnel::{EndpointKey, end_to_end, peer_key};

const HANDSHAKES: u32 = 1000;

/// The traffic of a handshake.
#[derive(Default)]
struct Passed {
    to_agent: usize,
    to_connector: usize,
    flights: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (device, desk) = (EndpointKey::generate()?, EndpointKey::generate()?);
    let (connector, agent) = (desk.dialling(), device.accepting());
    // The program's own configuration, and one with two tickets after each handshake.
    let mut remembers = ClientConfig::clone(&connector);
    remembers.resumption = Resumption::default();
    let mut resuming = ServerConfig::clone(&agent);
    resuming.send_tls13_tickets = 2;
    resuming.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    for (what, connector, agent) in
        [("whole", connector, agent), ("resumed", Arc::new(remembers), Arc::new(resuming))]
    {
        let (kind, key, passed) = handshake(&connector, &agent)?;
        let again = handshake(&connector, &agent)?;
        writeln!(std::io::stdout(), "{what}: first {kind:?}, then {:?}", again.0)?;
        writeln!(std::io::stdout(), "  the agent's key is seen: {}, {}", key, again.1)?;
        let Passed { to_agent, to_connector, flights } = if what == "whole" { passed } else { again.2 };
        let before = cpu_time()?;
        for _ in 0..HANDSHAKES {
            handshake(&connector, &agent)?;
        }
        let each = (cpu_time()? - before) / 1000 / u64::from(HANDSHAKES);
        writeln!(
            std::io::stdout(),
            "  {each} CPU-µs of both ends, {to_agent} bytes to the agent, {to_connector} to the connector, {flights} flights"
        )?;
    }
    Ok(())
}

/// Runs one handshake in memory. Returns its kind, whether the connector sees the agent's key, and
/// the traffic.
fn handshake(
    connector: &Arc<ClientConfig>,
    agent: &Arc<ServerConfig>,
) -> Result<(Option<HandshakeKind>, bool, Passed), Box<dyn Error>> {
    let mut client = ClientConnection::new(Arc::clone(connector), end_to_end::placeholder_name())?;
    let mut server = ServerConnection::new(Arc::clone(agent))?;
    let mut passed = Passed::default();
    loop {
        let up = pass(&mut client, &mut server)?;
        let down = pass(&mut server, &mut client)?;
        passed.to_agent += up;
        passed.to_connector += down;
        passed.flights += usize::from(up > 0) + usize::from(down > 0);
        if up + down == 0 {
            break;
        }
    }
    Ok((client.handshake_kind(), peer_key(client.peer_certificates()).is_some(), passed))
}

/// Passes all pending output of one end to the other, and returns the number of bytes.
fn pass<F: SideData, T: SideData>(
    from: &mut ConnectionCommon<F>,
    to: &mut ConnectionCommon<T>,
) -> Result<usize, Box<dyn Error>> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes)?;
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        to.read_tls(&mut rest)?;
        to.process_new_packets()?;
    }
    Ok(bytes.len())
}

/// The nanoseconds that this process has spent on a processor.
fn cpu_time() -> Result<u64, Box<dyn Error>> {
    let spent = std::fs::read_to_string("/proc/self/schedstat")?;
    Ok(spent.split(' ').next().unwrap_or_default().parse()?)
}
