//! A phone's way to the server: HTTP/1.1 over TCP, every byte counted, and cut where the signal is lost.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

/// Longer than this nobody waits on a good network.
const PATIENCE: Duration = Duration::from_secs(120);

/// What went over the wire: HTTP/1.1 both ways, without TCP and TLS.
#[derive(Debug, Default)]
pub struct Traffic {
    up: AtomicU64,
    down: AtomicU64,
    requests: AtomicU64,
}

impl Traffic {
    /// Requests begun, bytes up, bytes down so far.
    pub fn counted(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.requests), read(&self.up), read(&self.down))
    }
}

/// What happens to a request on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives, and so does its answer.
    Delivered,
    /// The connection breaks in the middle of the request.
    RequestLost,
    /// The server answers, and the connection breaks before the answer is read.
    AnswerLost,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// From the first byte sent to the last one received.
    pub took: Duration,
}

impl Answer {
    /// The stable code of a refusal.
    pub fn code(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.get("code")?.as_str()?.to_owned())
    }

    /// The body as JSON, if the status says success.
    ///
    /// # Errors
    /// Names the status and the problem's code, and nothing else of the body.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        if !self.status.is_success() {
            bail!(
                "the server answered {} {}",
                self.status,
                self.code().unwrap_or_default()
            );
        }
        Ok(serde_json::from_slice(&self.body).unwrap_or_default())
    }
}

/// One phone's connection, opened when it is needed.
#[derive(Debug)]
pub struct Link {
    authority: Authority,
    traffic: Arc<Traffic>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Link {
    /// A link to `http://host:port`.
    ///
    /// # Errors
    /// An address of another kind.
    pub fn to(url: &str, traffic: Arc<Traffic>) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| url.to_owned())?;
        if uri.scheme() != Some(&Scheme::HTTP) || uri.path() != "/" {
            bail!("{url}: an address like http://127.0.0.1:8080 is needed");
        }
        let authority = uri.authority().cloned().context("the address names no host")?;
        Ok(Self {
            authority,
            traffic,
            connection: None,
        })
    }

    /// What it counted, shared by whoever was given the same counters.
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// Closes the connection, as a phone does that goes back to its pocket.
    pub fn hang_up(&mut self) {
        self.connection = None;
    }

    /// One request. `None`: it or its answer was lost on the way.
    ///
    /// # Errors
    /// When the connection fails for another reason than its fate.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: Bytes,
        fate: Fate,
    ) -> anyhow::Result<Option<Answer>> {
        self.traffic.requests.fetch_add(1, Ordering::Relaxed);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.authority.as_str());
        for (name, value) in headers {
            request = request.header(name, HeaderValue::from_str(value)?);
        }
        let request = request.body(Full::new(body))?;
        if fate == Fate::RequestLost {
            self.lose(&request).await?;
            return Ok(None);
        }
        let begun = Instant::now();
        let connection = self.connected().await?;
        let answered = tokio::time::timeout(PATIENCE, connection.send_request(request)).await??;
        if fate == Fate::AnswerLost {
            self.hang_up();
            return Ok(None);
        }
        let (parts, body) = answered.into_parts();
        let body = tokio::time::timeout(PATIENCE, body.collect()).await??.to_bytes();
        Ok(Some(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
            took: begun.elapsed(),
        }))
    }

    async fn connected(&mut self) -> anyhow::Result<&mut SendRequest<Full<Bytes>>> {
        if let Some(mut connection) = self.connection.take()
            && connection.ready().await.is_ok()
        {
            return Ok(self.connection.insert(connection));
        }
        let (sender, driver) = http1::handshake(TokioIo::new(self.dial().await?)).await?;
        // Ends when the sender is dropped or the server closes; either is known to the next request.
        tokio::spawn(async move { drop(driver.await) });
        Ok(self.connection.insert(sender))
    }

    async fn dial(&self) -> anyhow::Result<Counted> {
        let port = self.authority.port_u16().unwrap_or(80);
        let stream = TcpStream::connect((self.authority.host(), port)).await;
        let stream = stream.with_context(|| format!("cannot reach {}", self.authority))?;
        stream.set_nodelay(true)?;
        Ok(Counted {
            stream,
            traffic: Arc::clone(&self.traffic),
        })
    }

    /// Sends the head and half of the body, and breaks off.
    async fn lose(&mut self, request: &Request<Full<Bytes>>) -> anyhow::Result<()> {
        self.hang_up();
        let mut head = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri());
        for (name, value) in request.headers() {
            head.push_str(&format!("{name}: {}\r\n", value.to_str()?));
        }
        let body = request.body().clone().collect().await?.to_bytes();
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let half = body.slice(..body.len() / 2);
        let mut stream = self.dial().await?;
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&half).await?;
        Ok(stream.shutdown().await?)
    }
}

/// A stream that counts.
struct Counted {
    stream: TcpStream,
    traffic: Arc<Traffic>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.traffic
            .down
            .fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = polled {
            self.traffic.up.fetch_add(written as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
