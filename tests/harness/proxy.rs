//! A TCP proxy for PostgreSQL that loses answers, cuts, delays and holds. It reads just enough of the protocol
//! (version 3, no TLS) to know which statement a message belongs to.

mod control;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use control::Control;
use wire::{Link, Start, Step};

/// A proxy in front of one server.
pub(crate) struct Proxy {
    address: SocketAddr,
    control: Arc<Control>,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// Listens, and passes on to the server of this URL.
    pub(crate) async fn start(url: &str) -> Self {
        let upstream = host_and_port(url).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let control = Arc::new(Control::default());
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, upstream, Arc::clone(&control)));
        Self { address, control, _serving: serving }
    }

    /// The same URL, through the proxy.
    pub(crate) fn url(&self, url: &str) -> String {
        let through = url.replacen(host_and_port(url), &self.address.to_string(), 1);
        format!("{through}?sslmode=disable")
    }

    /// What it does to those who pass.
    pub(crate) fn control(&self) -> &Control {
        &self.control
    }
}

fn host_and_port(url: &str) -> &str {
    let after = url.split_once("://").expect("a URL").1;
    let authority = after.split_once('/').map_or(after, |(authority, _)| authority);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

async fn serve(listener: TcpListener, upstream: String, control: Arc<Control>) {
    let mut links = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        if control.refuses() {
            reset(&client);
            continue;
        }
        let control = Arc::clone(&control);
        let upstream = upstream.clone();
        links.spawn(async move {
            if let Ok(server) = TcpStream::connect(&upstream).await {
                link(client, server, control).await;
            }
        });
        while links.try_join_next().is_some() {}
    }
}

/// One connection, until either side or the test ends it.
async fn link(client: TcpStream, server: TcpStream, control: Arc<Control>) {
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    let link = Link::new(control);
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    if link.start(&mut from_client, &mut to_client, &mut to_server).await != Some(Start::Session) {
        return;
    }
    let up = pump_up(&link, &mut from_client, &mut to_server);
    let down = pump_down(&link, &mut from_server, &mut to_client);
    tokio::select! {
        () = up => {}
        () = down => reset(to_client.as_ref()),
        () = link.control.cut() => reset(to_client.as_ref()),
    }
}

async fn pump_up(link: &Link, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) {
    while let Some(message) = wire::read(from).await {
        let message = link.client_says(message).await;
        link.control.pass().await;
        if wire::write(to, &message).await.is_none() {
            return;
        }
    }
}

async fn pump_down(link: &Link, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) {
    while let Some(message) = wire::read(from).await {
        let step = link.server_says(&message);
        link.control.pass().await;
        match step {
            Step::Forward => {
                if wire::write(to, &message).await.is_none() {
                    return;
                }
            }
            Step::Withhold => {}
            Step::Cut => return,
        }
    }
}

/// The peer sees a RST: what was sent may be lost, and nothing says goodbye.
fn reset(stream: &TcpStream) {
    stream.set_zero_linger().ok();
}
