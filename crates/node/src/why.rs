//! The story of a gridlet, in words.
//!
//! Answers are called A, B, C …: the same letter for the same answer to one cell. In another cell it may
//! stand for another one.

use std::collections::BTreeMap;

use outlast_api::types::{Scene as Said, SceneKind, Why};
use outlast_gridlet::ApplicationManager;
use outlast_job::{Scene, Story};
use outlast_types::{CellId, GridletId, JobId, NodeId, Region};
use outlast_verify::{Class, How, Proof};

/// What is told about.
pub(crate) struct Subject<'a> {
    pub(crate) job: JobId,
    pub(crate) gridlet: GridletId,
    /// Its cells, ascending.
    pub(crate) cells: &'a [CellId],
    pub(crate) accepted: u32,
    pub(crate) manager: &'a dyn ApplicationManager,
    pub(crate) me: NodeId,
    /// Names of nodes, as far as they are known.
    pub(crate) names: &'a BTreeMap<NodeId, String>,
}

/// Nodes that a story names.
pub(crate) fn nodes(story: &Story) -> Vec<NodeId> {
    let mut nodes: Vec<NodeId> = story
        .scenes
        .iter()
        .flat_map(|scene| match scene {
            Scene::Accepted { by, .. } => by.clone(),
            scene => actor(scene).into_iter().collect(),
        })
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

fn actor(scene: &Scene) -> Option<NodeId> {
    match scene {
        Scene::Granted { worker, .. }
        | Scene::Quizzed { worker, .. }
        | Scene::Answered { worker, .. }
        | Scene::Released { worker, .. }
        | Scene::Struck { worker }
        | Scene::Barred { worker, .. }
        | Scene::Wrong { worker, .. } => Some(*worker),
        Scene::Retracted { because, .. } => Some(*because),
        Scene::SampleWanted { .. }
        | Scene::Sampled { .. }
        | Scene::SampleFailed { .. }
        | Scene::Accepted { .. }
        | Scene::Hopeless { .. } => None,
    }
}

/// Tells it.
pub(crate) fn tell(subject: &Subject<'_>, story: &Story) -> Why {
    let grid = subject.manager.grid();
    let area = subject.cells.iter().map(|&cell| grid.atoms_of(cell)).reduce(|a, b| a.hull(&b));
    Why {
        job: subject.job.to_string(),
        gridlet: subject.gridlet.0,
        atoms: area.map(|area| atoms(subject.manager, &area)).unwrap_or_default(),
        cells: subject.cells.len() as u32,
        accepted: subject.accepted,
        scenes: story.scenes.iter().map(|scene| subject.said(scene)).collect(),
        cut: story.cut,
    }
}

/// A box of atoms in words.
pub(crate) fn atoms(manager: &dyn ApplicationManager, area: &Region) -> String {
    let ranges = area.ranges.iter();
    let text: Vec<String> = ranges.map(|range| format!("{}..{}", range.start, range.end)).collect();
    format!("{}s {}", manager.atom(), text.join(" x "))
}

impl Subject<'_> {
    fn said(&self, scene: &Scene) -> Said {
        let (kind, cells, text) = self.words(scene);
        let node = actor(scene);
        Said {
            kind,
            name: node.and_then(|node| self.names.get(&node)).cloned(),
            node: node.map(|node| node.to_string()),
            cells: cells.iter().map(|cell| cell.0).collect(),
            text,
        }
    }

    fn words(&self, scene: &Scene) -> (SceneKind, Vec<CellId>, String) {
        let none = Vec::new;
        match scene {
            Scene::Granted { worker, gridlet, cells, rival } => {
                let who = self.node(worker);
                let part = match *gridlet == self.gridlet {
                    true => String::new(),
                    false => format!(" as part of gridlet {gridlet}"),
                };
                let why = if *rival { ", beside one that is slow" } else { "" };
                let text = format!("{who} got {}{part}{why}", self.cells(cells));
                (SceneKind::Granted, cells.clone(), text)
            }
            Scene::Quizzed { worker, cells } => {
                let (who, what) = (self.node(worker), self.cells(cells));
                let text = format!("{who} got {what} as a quiz, without knowing: they are decided");
                (SceneKind::Quizzed, cells.clone(), text)
            }
            Scene::Answered { worker, class, cells, refuted } => {
                let mut text = format!(
                    "{} answered {} for {}",
                    self.node(worker),
                    letter(*class),
                    self.cells(cells)
                );
                if *refuted {
                    text.push_str(", which a sample contradicts");
                }
                (SceneKind::Answered, cells.clone(), text)
            }
            Scene::Released { worker, cells } => {
                let text =
                    format!("{} no longer works on {}", self.node(worker), self.cells(cells));
                (SceneKind::Released, cells.clone(), text)
            }
            Scene::SampleWanted { cells } => {
                let text = format!("this node computes a sample of {}", self.cells(cells));
                (SceneKind::SampleWanted, cells.clone(), text)
            }
            Scene::Sampled { cell, right, wrong } => {
                let list = |classes: &[Class]| {
                    classes.iter().map(|class| letter(*class)).collect::<Vec<_>>().join(", ")
                };
                let found = match (&right[..], &wrong[..]) {
                    ([], []) => "there was nothing to compare it with".to_owned(),
                    (right, []) => format!("{} agrees with it", list(right)),
                    ([], wrong) => format!("{} contradicts it", list(wrong)),
                    (right, wrong) => {
                        format!("{} agrees with it, {} contradicts it", list(right), list(wrong))
                    }
                };
                let text = format!("the sample of {} is there: {found}", self.cells(&[*cell]));
                (SceneKind::Sampled, vec![*cell], text)
            }
            Scene::SampleFailed { cell } => {
                let text = format!("no sample of {} could be computed", self.cells(&[*cell]));
                (SceneKind::SampleFailed, vec![*cell], text)
            }
            Scene::Struck { worker } => {
                let text = format!(
                    "{} was proven to lie: what it said and isn't accepted yet is void",
                    self.node(worker)
                );
                (SceneKind::Struck, none(), text)
            }
            Scene::Barred { worker, why } => {
                let text = format!("{} sent what is no result: {why}", self.node(worker));
                (SceneKind::Barred, none(), text)
            }
            Scene::Accepted { cells, class, how, by } => {
                let answer = letter(*class);
                let who: Vec<String> = by.iter().map(|node| self.node(node)).collect();
                let why = match how {
                    How::Quorum(n) => format!("{n} nodes agree: {}", who.join(", ")),
                    How::Credible => format!("{} have records good enough", who.join(", ")),
                    How::Trusted => "this node computed it itself".to_owned(),
                    How::Sampled => {
                        format!("{} agree, and a sample contradicts the others", who.join(", "))
                    }
                };
                let text = format!("{answer} is accepted for {}: {why}", self.cells(cells));
                (SceneKind::Accepted, cells.clone(), text)
            }
            Scene::Wrong { worker, cells, proof } => {
                let why = match proof {
                    Proof::Outvoted => "others agree on another answer",
                    Proof::Quiz => "the right one was known, and proven, before",
                    Proof::Sample => "a sample contradicts it",
                    Proof::Trusted => "this node's own answer is another",
                };
                let text = format!(
                    "the answer of {} for {} is held wrong: {why}",
                    self.node(worker),
                    self.cells(cells)
                );
                (SceneKind::Wrong, cells.clone(), text)
            }
            Scene::Retracted { cells, class, because } => {
                let text = format!(
                    "{} is accepted no longer for {}: it hung on the word of {}",
                    letter(*class),
                    self.cells(cells),
                    self.node(because)
                );
                (SceneKind::Retracted, cells.clone(), text)
            }
            Scene::Hopeless { cells } => {
                let text = format!(
                    "too many answers and no decision for {}: this node has to compute it itself",
                    self.cells(cells)
                );
                (SceneKind::Hopeless, cells.clone(), text)
            }
        }
    }

    fn node(&self, node: &NodeId) -> String {
        if *node == self.me {
            return "this node".to_owned();
        }
        match self.names.get(node).filter(|name| !name.is_empty()) {
            Some(name) => format!("{name} ({})", node.short()),
            None => node.short().to_string(),
        }
    }

    /// Cells by number, as ranges.
    fn cells(&self, cells: &[CellId]) -> String {
        if cells.len() == self.cells.len() {
            return match cells.len() {
                1 => "the cell".to_owned(),
                n => format!("all {n} cells"),
            };
        }
        let runs = cells.chunk_by(|a, b| a.0 + 1 == b.0);
        let runs: Vec<String> = runs
            .map(|run| match run {
                [one] => one.to_string(),
                run => format!("{}-{}", run[0], run[run.len() - 1]),
            })
            .collect();
        let noun = if cells.len() == 1 { "cell" } else { "cells" };
        format!("{noun} {}", runs.join(", "))
    }
}

/// A, B, …, Z, then numbers.
fn letter(class: Class) -> String {
    match u8::try_from(class.0) {
        Ok(n) if n < 26 => char::from(b'A' + n).to_string(),
        _ => format!("answer {}", class.0),
    }
}

#[cfg(test)]
mod tests;
