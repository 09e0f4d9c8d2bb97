//! How much of anything a client may take. The defaults are the promise; tests shrink them.

use std::time::Duration;

/// Limits on requests, connections and time.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest body in bytes; dbt's are under two thousand.
    pub body: usize,
    /// The time for the head of a request, from its first byte; for the first one of a connection,
    /// from its beginning.
    pub head: Duration,
    /// The time for the whole of a request, from its first byte. dbt gives up after ten seconds.
    pub request: Duration,
    /// The time for the database. With what comes before and after, an answer takes less than 3 s.
    pub store: Duration,
    /// How long a connection may rest between requests.
    pub keep_alive: Duration,
    /// How long bytes of a refused request are still read, so that the client sees the answer and
    /// not a reset.
    pub linger: Duration,
    /// Requests whose body is being read or stored; more are asked to come again.
    pub in_flight: usize,
    /// Open connections; more wait to be accepted.
    pub connections: usize,
    /// Threads that serve, each with its own connections to the database. One is as quick as Postgres
    /// on the other of two cores.
    pub workers: usize,
    /// How long it serves on after it was told to stop, with health saying so already: until whoever
    /// hands out connections has looked there.
    pub drain: Duration,
    /// How long requests under way may take when the service stops, in whole seconds.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1024 * 1024,
            head: Duration::from_secs(5),
            request: Duration::from_secs(8),
            store: Duration::from_millis(2500),
            keep_alive: Duration::from_secs(5),
            linger: Duration::from_secs(1),
            in_flight: 256,
            connections: 2048,
            workers: 1,
            drain: Duration::ZERO,
            shutdown: Duration::from_secs(9),
        }
    }
}
