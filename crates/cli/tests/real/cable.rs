//! The network between a browser and the server, as a cable that can be pulled and plugged in
//! again.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// A TCP relay on a port of its own.
pub(crate) struct Cable {
    listener: TcpListener,
    line: Arc<Line>,
}

#[derive(Default)]
struct Line {
    ends: Mutex<Ends>,
    changed: Condvar,
}

#[derive(Default)]
struct Ends {
    server: Option<SocketAddr>,
    carried: Vec<TcpStream>,
    weather: Weather,
    /// The number of cuts. Connections from before the last one carry no more data.
    day: usize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Weather {
    #[default]
    Fair,
    /// No byte moves, and no byte is lost.
    Held,
}

impl Cable {
    /// Creates a cable with a loose end: it accepts connections and closes them.
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let line = Arc::new(Line::default());
        let cable =
            Self { listener: listener.try_clone().expect("a second handle"), line: Arc::clone(&line) };
        std::thread::spawn(move || {
            for viewer in listener.incoming().flatten() {
                let line = Arc::clone(&line);
                // Without a server the connection is dropped.
                std::thread::spawn(move || carry(viewer, &line));
            }
        });
        cable
    }

    /// Returns the address for browsers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("it is bound")
    }

    /// Plugs the cable into this server.
    pub(crate) fn connect(&self, server: &str) {
        self.line.change(|ends| ends.server = Some(server.parse().expect("an address")));
    }

    /// Pulls the cable: its connections are cut, and new ones do not come through.
    pub(crate) fn cut(&self) {
        self.line.change(|ends| {
            ends.server = None;
            for stream in ends.carried.drain(..) {
                // The connection may have ended already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }

    /// Stops all data for now. Later data and new connections wait.
    pub(crate) fn hold(&self) {
        self.line.change(|ends| ends.weather = Weather::Held);
    }

    /// Forwards the waiting data in order, and continues.
    pub(crate) fn release(&self) {
        self.line.change(|ends| ends.weather = Weather::Fair);
    }

    /// Discards all data of the present connections without a sign to either end. New connections
    /// are carried.
    pub(crate) fn swallow(&self) {
        self.line.change(|ends| ends.day += 1);
    }
}

impl Line {
    fn change(&self, change: impl FnOnce(&mut Ends)) {
        change(&mut self.ends.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits until data may move, and returns the result of `look`.
    fn when_fair<T>(&self, look: impl FnOnce(&mut Ends) -> T) -> T {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let held = |ends: &mut Ends| ends.weather == Weather::Held;
        look(&mut self.changed.wait_while(ends, held).unwrap_or_else(PoisonError::into_inner))
    }
}

fn carry(viewer: TcpStream, line: &Arc<Line>) -> io::Result<()> {
    let (server, day) = line.when_fair(|ends| (ends.server, ends.day));
    let Some(server) = server else { return Ok(()) };
    let server = TcpStream::connect(server)?;
    for (mut from, mut to) in
        [(viewer.try_clone()?, server.try_clone()?), (server.try_clone()?, viewer.try_clone()?)]
    {
        let line = Arc::clone(line);
        std::thread::spawn(move || {
            // Either end may close first, and the other one is told.
            let _ = copy(&mut from, &mut to, &line, day);
        });
    }
    line.change(|ends| ends.carried.extend([viewer, server]));
    Ok(())
}

fn copy(from: &mut TcpStream, to: &mut TcpStream, line: &Line, day: usize) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        let swallowed = line.when_fair(|ends| ends.day != day);
        match count {
            0 if swallowed => return Ok(()),
            0 => return to.shutdown(Shutdown::Write),
            _ if swallowed => {}
            count => to.write_all(&buffer[..count])?,
        }
    }
}
