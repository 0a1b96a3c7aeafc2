//! `outlast-rogue`: a node of the grid that lies, crashes, fails or hangs, for tests and the demo.
//!
//! All but the execution of steps is the real node. It prints its key, like `outlast up`, and answers
//! `outlast --data-dir DIR status` and `down`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use outlast_api::ControlSocket;
use outlast_node::config::Options as Settings;
use outlast_node::{Node, Options};
use outlast_tests::rogue::{Lie, Rogue, Vices};
use tokio::signal::unix::{SignalKind, signal};

/// A node of an Outlast grid that can't be relied on. For tests: never run it in a grid that you care for.
///
/// Without any of the options about what is wrong with it, it is as honest as `outlast up`.
#[derive(Debug, Parser)]
#[command(name = "outlast-rogue")]
struct Args {
    /// Where the node keeps its key and files
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Ticket to join with; may be given several times
    #[arg(long, value_name = "TICKET")]
    join: Vec<String>,
    /// Gridlets to run at a time [default: one per core]
    #[arg(long, value_name = "N")]
    slots: Option<u32>,
    /// Name to show to people [default: the host's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Change answers, convincingly: `always`, or with this probability (0 to 1)
    #[arg(long, value_name = "always|P", value_parser = share, group = "lies")]
    lie: Option<f64>,
    /// Change all answers as every node with this seed does: such liars agree with each other
    #[arg(long, value_name = "SEED", group = "lies")]
    lie_colluding: Option<u64>,
    /// Send half of each answer
    #[arg(long, group = "lies")]
    truncate: bool,
    /// Say that each answer has a tebibyte
    #[arg(long, group = "lies")]
    oversize: bool,
    /// Send answers that unpack to far more than they should
    #[arg(long, group = "lies")]
    bomb: bool,
    /// Send pictures of another size
    #[arg(long, group = "lies")]
    wrong_size: bool,
    /// Send text where a picture is asked for
    #[arg(long, group = "lies")]
    not_an_image: bool,
    /// Say of every run that it failed
    #[arg(long)]
    fail: bool,
    /// Never end a run
    #[arg(long)]
    hang: bool,
    /// Abort the process during the Nth run
    #[arg(long, value_name = "N")]
    crash_after: Option<u64>,
    /// Begin every run so many milliseconds later
    #[arg(long, value_name = "MS", default_value_t = 0, hide_default_value = true)]
    slow: u64,
}

fn share(text: &str) -> Result<f64, String> {
    let share = if text == "always" { Ok(1.0) } else { text.parse() };
    share
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("expected `always` or a number from 0 to 1, found `{text}`"))
}

impl Args {
    fn vices(&self) -> Vices {
        let lies = [
            // Whoever lies alone lies like nobody else.
            (self.lie.is_some(), Lie::Convincing(u64::from(std::process::id()))),
            (self.lie_colluding.is_some(), Lie::Convincing(self.lie_colluding.unwrap_or(0))),
            (self.truncate, Lie::Truncated),
            (self.oversize, Lie::Oversize),
            (self.bomb, Lie::Bomb),
            (self.wrong_size, Lie::WrongSize),
            (self.not_an_image, Lie::NotAnImage),
        ];
        Vices {
            lie: lies.into_iter().find(|(chosen, _)| *chosen).map(|(_, lie)| lie),
            share: self.lie.unwrap_or(1.0),
            fail: self.fail,
            hang: self.hang,
            crash_after: self.crash_after,
            slow: Duration::from_millis(self.slow),
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("OUTLAST_LOG")
        .unwrap_or_else(|_| "error,outlast=info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let vices = args.vices();
    let settings = Settings {
        data_dir: Some(args.data_dir),
        listen: Some(vec![args.listen]),
        join: Some(args.join),
        slots: args.slots,
        name: args.name,
        ..Settings::default()
    };
    let config = settings.resolve(|_| None)?;
    let data_dir = config.data_dir.clone();
    let socket = data_dir.join(outlast_api::SOCKET_NAME);
    let wrap = move |honest| Arc::new(Rogue::new(vices, honest, data_dir)) as Arc<_>;
    let options = Options { wrap_executor: Some(Box::new(wrap)), ..Options::default() };
    let node = Node::start(&config, options).await?;
    let socket = ControlSocket::bind(&socket).context("the control socket")?;
    let server = tokio::spawn(outlast_api::serve(
        socket,
        Arc::clone(&node) as Arc<_>,
        std::future::pending(),
    ));
    say(&node.id().to_string());
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        () = node.stopped() => {}
        served = server => bail!("the control socket: {served:?}"),
        _ = terminate.recv() => leave(&node).await,
        _ = interrupt.recv() => leave(&node).await,
    }
    Ok(())
}

async fn leave(node: &Node) {
    node.stop(false, None).await;
    node.stopped().await;
}

#[expect(clippy::print_stdout, reason = "that it is there is what this program is asked for")]
fn say(line: &str) {
    println!("{line}");
}
