//! The phone's network: HTTP/1.1 over TCP, one connection a request.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::http::uri::{Authority, Scheme};
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use langso_mobile::{HttpAnswer, HttpHeader, HttpRequest, Transport, TransportError};
use tokio::net::TcpStream;

/// Longer than this nobody waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server's address.
#[derive(Debug)]
pub(crate) struct Server(Authority);

impl Server {
    /// The one at `http://host:port`.
    pub(crate) fn at(url: &str) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| url.to_owned())?;
        if uri.scheme() != Some(&Scheme::HTTP) || uri.path() != "/" {
            bail!("{url}: an address like http://127.0.0.1:8080 is needed");
        }
        Ok(Self(
            uri.authority().cloned().context("the address names no host")?,
        ))
    }

    async fn exchange(&self, request: HttpRequest) -> anyhow::Result<HttpAnswer> {
        let stream = TcpStream::connect((self.0.host(), self.0.port_u16().unwrap_or(80))).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let mut outgoing = Request::post(request.path).header(header::HOST, self.0.as_str());
        for HttpHeader { name, value } in request.headers {
            outgoing = outgoing.header(name, value);
        }
        let answer = sender
            .send_request(outgoing.body(Full::new(Bytes::from(request.body)))?)
            .await?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        connection.abort();
        let headers = parts.headers.iter().map(|(name, value)| HttpHeader {
            name: name.to_string(),
            value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
        });
        Ok(HttpAnswer {
            status: parts.status.as_u16(),
            headers: headers.collect(),
            body,
        })
    }
}

#[async_trait::async_trait]
impl Transport for Server {
    async fn post(&self, request: HttpRequest) -> Result<HttpAnswer, TransportError> {
        let answered = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        answered
            .ok()
            .and_then(Result::ok)
            .ok_or(TransportError::Unreachable)
    }
}
