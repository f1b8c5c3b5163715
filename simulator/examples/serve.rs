#![expect(clippy::print_stdout, reason = "it says where it listens")]
//! A simulator on its own, until Ctrl-C: `cargo run -p hellosales-simulator --example serve -- [ADDRESS]`.

use hellosales_simulator::{Simulator, SimulatorConfig};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8085".to_owned());
    let simulator = Simulator::bind(addr, SimulatorConfig::default()).await?;
    println!("{}", simulator.url());
    let shutdown = CancellationToken::new();
    let interrupted = shutdown.clone().drop_guard();
    let run = simulator.run(shutdown);
    tokio::pin!(run);
    tokio::select! {
        end = &mut run => return end,
        _ = tokio::signal::ctrl_c() => drop(interrupted),
    }
    run.await
}
