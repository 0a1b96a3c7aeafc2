//! From the start of a node to where another one sees it.

use std::time::Instant;

use super::Options;
use super::field::{Field, Node, up};
use super::lab::{Lab, largest, median, smallest, wait_for};

/// Times that each is measured.
const TRIALS: usize = 9;

/// Does it once; seconds.
type Way = fn(&Lab) -> anyhow::Result<f64>;

/// The part.
pub(super) fn main(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    let trials = if options.quick { 1 } else { TRIALS };
    println!("Seconds from the start of a process to where the other node lists it as alive.\n");
    println!("| what | median | shortest | longest |");
    println!("| --- | ---: | ---: | ---: |");
    let ways: [(&str, Way); 3] = [
        ("`up --join TICKET`, a new node", by_ticket),
        ("`up` again, after `down`: by remembered addresses", again),
        ("`up` again, both at other ports: by mDNS", by_lan),
    ];
    for (name, way) in ways {
        let mut seconds = Vec::new();
        for trial in 1..=trials {
            let took = way(lab)?;
            eprintln!("trial {trial}: {took:8.3} s  {name}");
            seconds.push(took);
        }
        let (low, high) = (smallest(&seconds), largest(&seconds));
        println!("| {name} | {:.3} | {low:.3} | {high:.3} |", median(&seconds));
    }
    Ok(())
}

fn by_ticket(lab: &Lab) -> anyhow::Result<f64> {
    let field = Field::new(lab)?;
    let first = field.node(0, None)?;
    let ticket = first.ticket()?;
    let (host, data_dir) = (field.host()?, lab.data_dir(1)?);
    let mut command = up(lab, &host, &data_dir, "0");
    command.args(["--join", &ticket]);
    let start = Instant::now();
    let second = lab.spawn(command, data_dir)?;
    seen(&first)?;
    let seconds = start.elapsed().as_secs_f64();
    drop(second);
    Ok(seconds)
}

fn again(lab: &Lab) -> anyhow::Result<f64> {
    let field = Field::new(lab)?;
    let (first, mut second) = two(&field)?;
    second.down()?;
    wait_for("the node to be gone", || first.others() == 0)?;
    starts(lab, &second, &first)
}

/// Nobody is where the other one remembers it.
fn by_lan(lab: &Lab) -> anyhow::Result<f64> {
    let field = Field::new(lab)?;
    let (mut first, mut second) = two(&field)?;
    second.down()?;
    first.down()?;
    let data_dir = first.daemon.data_dir.clone();
    // Port 0 is another one each time.
    let command = up(lab, &first.host, &data_dir, "0");
    first.daemon = lab.start(command, data_dir)?;
    starts(lab, &second, &first)
}

/// Two members of an organisation that have seen each other.
fn two<'l>(field: &Field<'l>) -> anyhow::Result<(Node<'l>, Node<'l>)> {
    let first = field.node(0, None)?;
    let second = field.node(1, Some(&first.ticket()?))?;
    seen(&first)?;
    seen(&second)?;
    Ok((first, second))
}

/// Starts a node that ended again, until the other sees it.
fn starts(lab: &Lab, node: &Node<'_>, other: &Node<'_>) -> anyhow::Result<f64> {
    let data_dir = node.daemon.data_dir.clone();
    let command = up(lab, &node.host, &data_dir, "0");
    let start = Instant::now();
    let again = lab.spawn(command, data_dir)?;
    seen(other)?;
    let seconds = start.elapsed().as_secs_f64();
    drop(again);
    Ok(seconds)
}

fn seen(node: &Node<'_>) -> anyhow::Result<()> {
    wait_for("a node to see the other", || node.others() == 1)
}
