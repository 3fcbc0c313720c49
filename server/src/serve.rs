//! Serving: listen, answer, and stop without losing anything.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::app::App;
use crate::http::router;

/// How often presence is written down.
const PRESENCE_EVERY: Duration = Duration::from_secs(5);

/// Serves until `shutdown`, then lets requests that are under way finish and writes down what is only in memory.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let writer = tokio::spawn(write_presence(Arc::clone(&app)));
    let served = axum::serve(listener, router(Arc::clone(&app)))
        .with_graceful_shutdown(shutdown)
        .await;
    writer.abort();
    app.flush_presence().await;
    served
}

async fn write_presence(app: Arc<App>) {
    let mut ticks = tokio::time::interval(PRESENCE_EVERY);
    loop {
        ticks.tick().await;
        app.flush_presence().await;
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
