//! A road to the database of a test, which can be broken.

use afterrun_simulators::network::Road;
use sqlx::postgres::PgConnectOptions;
use tokio::runtime::{Builder, Runtime};

/// The road, and what carries it while the test waits for a process.
pub(crate) struct Roadworks {
    pub(crate) road: Road,
    /// To the same database, by the road.
    pub(crate) by_road: PgConnectOptions,
    carried_by: Option<Runtime>,
}

impl Roadworks {
    pub(crate) async fn to(database: &PgConnectOptions) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (host, port) = (database.get_host().to_owned(), database.get_port());
        let road = runtime.spawn(async move { Road::to_host(&host, port).await });
        let road = road.await.unwrap().unwrap();
        let by_road = database.clone().port(road.address().port());
        Self { road, by_road, carried_by: Some(runtime) }
    }
}

impl Drop for Roadworks {
    fn drop(&mut self) {
        // One that is dropped inside of another would have to wait for its end.
        self.carried_by.take().into_iter().for_each(Runtime::shutdown_background);
    }
}
