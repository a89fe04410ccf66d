//! A TCP proxy that delays responses, or leads elsewhere: a slow network, a server that hangs, a name that changes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Runs until the test process ends.
pub(crate) struct SlowProxy {
    port: u16,
    /// Delay of every piece of a response, in milliseconds.
    delay: Arc<AtomicU64>,
    /// The server behind it.
    behind: Arc<AtomicU16>,
}

impl SlowProxy {
    /// In front of a server on a local port; without delay at first.
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, delay) = (listener.local_addr().unwrap().port(), Arc::new(AtomicU64::new(0)));
        let behind = Arc::new(AtomicU16::new(server));
        let (own, target) = (Arc::clone(&delay), Arc::clone(&behind));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                // If the server is gone, dropping the client's connection closes it.
                let server = TcpStream::connect(("127.0.0.1", target.load(Ordering::Relaxed)));
                if let (Ok(client), Ok(server)) = (client, server) {
                    relay(client, server, &own);
                }
            }
        });
        Self { port, delay, behind }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// New connections lead to another server on a local port; open ones stay.
    pub(crate) fn lead_to(&self, server: u16) {
        self.behind.store(server, Ordering::Relaxed);
    }

    /// Delays every piece of a response this long, including those that wait already.
    pub(crate) fn delay(&self, delay: Duration) {
        self.delay.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Holds back all responses.
    pub(crate) fn hang(&self) {
        self.delay(Duration::from_hours(1));
    }
}

fn relay(client: TcpStream, server: TcpStream, delay: &Arc<AtomicU64>) {
    let (asks, answers) = ((client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client));
    let delay = Arc::clone(delay);
    std::thread::spawn(move || copy(asks.0, asks.1, || {}));
    std::thread::spawn(move || copy(answers.0, answers.1, || wait(&delay)));
}

fn copy(mut from: TcpStream, mut to: TcpStream, pause: impl Fn()) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        pause();
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // Either may have closed already.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[expect(clippy::disallowed_methods, reason = "a thread of its own may sleep")]
fn wait(delay: &AtomicU64) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(delay.load(Ordering::Relaxed)) {
        std::thread::sleep(Duration::from_millis(5));
    }
}
