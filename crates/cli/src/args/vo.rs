//! The command line of everything about virtual organisations.

use std::time::Duration;

use clap::{Args, Subcommand};
use outlast_node::config::parse_duration;

/// `vo`.
#[derive(Debug, Args)]
pub struct VoArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: VoCommand,
}

/// What to do about virtual organisations.
#[derive(Debug, Subcommand)]
pub enum VoCommand {
    /// Make one; this node is its first member, with all rights
    Create(VoNameArg),
    /// Tell who is a member, who was expelled, and which invitations are open
    Show(VoArg),
    /// List those that this node belongs to
    List,
    /// Leave one; whoever made it loses its root key
    Leave(VoNameArg),
}

/// One of them, or the only one.
#[derive(Debug, Default, Args)]
pub struct VoArg {
    /// Its name, or the beginning of its key [default: the only one]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// One of them.
#[derive(Debug, Args)]
pub struct VoNameArg {
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Options of `invite`.
#[derive(Debug, Default, Args)]
pub struct InviteArgs {
    /// Into which virtual organisation [default: the only one where this node may invite]
    #[arg(long, value_name = "NAME")]
    pub vo: Option<String>,
    /// How long the ticket may be used, such as 12h or 7d [default: 7d]
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub expires: Option<Duration>,
    /// What the newcomer may do: some of submit, execute, invite, manage, or all [default: submit,execute]
    #[arg(long, value_name = "RIGHTS", value_delimiter = ',')]
    pub role: Vec<String>,
    /// Any number of nodes may use the ticket
    #[arg(long)]
    pub reusable: bool,
    /// Only this node may: its key, which `outlast status` tells there
    #[arg(long = "for", value_name = "NODE", conflicts_with = "reusable")]
    pub only_for: Option<String>,
    /// How long the membership lasts, such as 90d [default: as long as this node's own]
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub member_for: Option<Duration>,
}

/// Options of `expel`.
#[derive(Debug, Args)]
pub struct ExpelArgs {
    /// Its name, its key, or the beginning of it
    #[arg(value_name = "NODE")]
    pub node: String,
    /// Out of which virtual organisation [default: the only one that it belongs to]
    #[arg(long, value_name = "NAME")]
    pub vo: Option<String>,
    /// Those that it let in, and those that came by the same ticket, have to go, too
    #[arg(long)]
    pub with_invited: bool,
}

/// A time that may have days, which clocks of jobs don't need.
fn span(text: &str) -> Result<Duration, String> {
    let Some((days, rest)) = text.split_once('d') else { return parse_duration(text) };
    let days: u32 = days
        .parse()
        .map_err(|_| format!("expected a time such as 7d, 12h or 1d12h, found `{text}`"))?;
    let days = Duration::from_secs(u64::from(days) * 24 * 3600);
    if rest.is_empty() {
        return Ok(days);
    }
    Ok(days + parse_duration(rest)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_may_have_days() {
        let hour = Duration::from_secs(3600);
        for (text, expected) in [("7d", hour * 168), ("12h", hour * 12), ("1d12h", hour * 36)] {
            assert_eq!(span(text), Ok(expected), "{text}");
        }
        for text in ["", "d", "x7d", "7dx", "-1d", "7days"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
