//! Serving: listen, answer, and stop without losing anything.

pub mod metrics;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::app::App;
use crate::backup;
use crate::http::router;
use crate::snapshots;

/// How often presence is written down.
const PRESENCE_EVERY: Duration = Duration::from_secs(5);
/// How often snapshots are made of documents that grew: after a storm of phones, not within it.
const SNAPSHOTS_EVERY: Duration = Duration::from_secs(60);

/// How often what is due is indexed for the search: within a second it is found without waiting.
const INDEX_EVERY: Duration = Duration::from_secs(1);

/// Serves until `shutdown`, then lets requests that are under way finish and writes down what is only in memory.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let beside = [
        tokio::spawn(write_presence(Arc::clone(&app))),
        tokio::spawn(make_snapshots(Arc::clone(&app))),
        tokio::spawn(index_what_is_due(Arc::clone(&app))),
        tokio::spawn(make_backups(Arc::clone(&app))),
    ];
    answer(listener, &app, shutdown).await;
    beside.iter().for_each(tokio::task::JoinHandle::abort);
    app.flush_presence().await;
}

/// Answers whoever connects, until `shutdown`; then whatever is under way. Who does not come to the end of the head of a
/// request is given up like one whose body trickles, and so is who says nothing.
async fn answer(mut listener: TcpListener, app: &Arc<App>, shutdown: impl Future<Output = ()>) {
    let mut http = http1::Builder::new();
    let patience = Duration::from_secs(app.config.request_timeout_s.into());
    http.timer(TokioTimer::new()).header_read_timeout(patience);
    let (router, open, mut shutdown) = (
        router(Arc::clone(app)),
        GracefulShutdown::new(),
        std::pin::pin!(shutdown),
    );
    loop {
        let (stream, address) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = &mut shutdown => break,
        };
        let router = router.clone();
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(address));
            router.clone().oneshot(request)
        });
        let connection = open.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        });
    }
    drop(listener);
    app.exchange.live.end();
    open.shutdown().await;
}

async fn write_presence(app: Arc<App>) {
    let mut ticks = tokio::time::interval(PRESENCE_EVERY);
    loop {
        ticks.tick().await;
        app.flush_presence().await;
        if let Err(error) = app.reload_token_keys() {
            tracing::warn!(%error, "the keys in the directory cannot be used");
        }
    }
}

async fn make_backups(app: Arc<App>) {
    let Some(dir) = app.config.backup_dir.clone() else {
        return;
    };
    let mut ticks = tokio::time::interval(Duration::from_secs(app.config.backup_every_s.max(1)));
    loop {
        ticks.tick().await;
        let (app, dir) = (Arc::clone(&app), dir.clone());
        let made = tokio::task::spawn_blocking(move || {
            backup::next_of_series(
                app.store().path(),
                &dir,
                app.config.backup_keep,
                app.clock.now_ms(),
            )
        });
        match made.await {
            Ok(Ok(path)) => tracing::info!(path = %path.display(), "a backup was made"),
            Ok(Err(error)) => tracing::error!(%error, "no backup was made"),
            Err(error) => tracing::error!(%error, "no backup was made"),
        }
    }
}

async fn make_snapshots(app: Arc<App>) {
    let mut ticks = tokio::time::interval(SNAPSHOTS_EVERY);
    loop {
        ticks.tick().await;
        match snapshots::refresh(app.store()).await {
            Ok(0) => {}
            Ok(stored) => tracing::info!(stored, "snapshots were made"),
            Err(error) => tracing::warn!(%error, "snapshots were not made"),
        }
    }
}

/// What phones wait for goes first.
async fn index_what_is_due(app: Arc<App>) {
    let mut ticks = tokio::time::interval(INDEX_EVERY);
    loop {
        ticks.tick().await;
        loop {
            app.exchange.ingest.turns.let_others_go().await;
            match app.index_some().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "the index of the search was not written");
                    break;
                }
            }
        }
    }
}

/// Resolves when the process is asked to stop.
pub async fn stop_signal() {
    let interrupt = async {
        // Without a handler the signal ends the process, which loses nothing either.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep, timeout};

    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A server that makes a backup every six hours and keeps three, whose clock is the runtime's.
    async fn app(dir: &std::path::Path) -> Arc<App> {
        let config = Config {
            data: dir.join("data"),
            backup_dir: Some(dir.join("backups")),
            backup_every_s: 6 * HOUR.as_secs(),
            backup_keep: 3,
            ..Config::default()
        };
        let begun = Instant::now();
        let clock = Clock::manual(move || begun.elapsed().as_millis() as i64);
        let opening = tokio::task::spawn_blocking(|| App::open(config, clock));
        opening.await.unwrap().unwrap()
    }

    fn made(dir: &std::path::Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir.join("backups")).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test(start_paused = true)]
    async fn a_backup_is_made_at_once_and_every_six_hours_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let app = app(dir.path()).await;
        let making = tokio::spawn(make_backups(app));
        sleep(HOUR).await;
        assert_eq!(made(dir.path()), ["langso-19700101T000000Z.db"]);
        sleep(18 * HOUR).await;
        let expected = [
            "langso-19700101T060000Z.db",
            "langso-19700101T120000Z.db",
            "langso-19700101T180000Z.db",
        ];
        assert_eq!(made(dir.path()), expected);
        assert!(!making.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_is_indexed_while_nobody_searches() {
        let dir = tempfile::tempdir().unwrap();
        let app = app(dir.path()).await;
        let store = app.store().clone();
        let many = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 600)
                    INSERT INTO search_due SELECT randomblob(16) FROM n";
        store.write(move |tx| tx.execute_batch(many)).await.unwrap();
        let none_is_due = async {
            let count = |conn: &rusqlite::Connection| {
                conn.query_row("SELECT count(*) FROM search_due", [], |row| row.get::<_, i64>(0))
            };
            while store.read(count).await.unwrap() > 0 {
                sleep(INDEX_EVERY).await;
            }
        };
        tokio::select! {
            () = index_what_is_due(Arc::clone(&app)) => panic!("it goes on for ever"),
            () = none_is_due => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_backup_that_fails_is_made_at_the_next_turn() {
        let dir = tempfile::tempdir().unwrap();
        let (app, in_the_way) = (app(dir.path()).await, dir.path().join("backups"));
        std::fs::write(&in_the_way, "").unwrap();
        let making = timeout(7 * HOUR, make_backups(app));
        let mending = async {
            sleep(HOUR).await;
            std::fs::remove_file(&in_the_way).unwrap();
        };
        assert!(tokio::join!(making, mending).0.is_err(), "it goes on for ever");
        assert_eq!(made(dir.path()), ["langso-19700101T060000Z.db"]);
    }
}
