//! Ctrl-C and its likes, as events.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Somebody wants us to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// SIGINT: a person, who may say it twice.
    CtrlC,
    /// SIGTERM or SIGHUP: said once.
    Terminate,
}

/// Interrupts, as they come.
pub struct Interrupts {
    events: mpsc::UnboundedReceiver<Interrupt>,
}

impl Interrupts {
    /// Those of the process, which from now on doesn't end by them.
    ///
    /// # Errors
    /// If signals can't be received.
    pub fn of_process() -> io::Result<Self> {
        let mut int = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        let mut hup = signal(SignalKind::hangup())?;
        let (sender, interrupts) = Self::channel();
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    _ = int.recv() => Interrupt::CtrlC,
                    _ = term.recv() => Interrupt::Terminate,
                    _ = hup.recv() => Interrupt::Terminate,
                };
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Ok(interrupts)
    }

    /// Those that are sent. Unbounded, as people's fingers are slow.
    pub fn channel() -> (mpsc::UnboundedSender<Interrupt>, Self) {
        let (sender, events) = mpsc::unbounded_channel();
        (sender, Self { events })
    }

    /// The next one; never, if nobody can send any more.
    pub async fn next(&mut self) -> Interrupt {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }
}
