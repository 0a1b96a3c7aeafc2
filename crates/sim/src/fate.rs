//! What befalls machines: they are switched on, die, are cut off, are asked to leave, and are given jobs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use outlast_broker::Flops;
use outlast_job::wire::ManifestRef;
use outlast_job::{Coordinator, Input, JobSpec, Peer, Record, Recovered, Standing, cut};
use outlast_types::{Ad, Hash, VoId, limits, wire};

use crate::app::Toy;
use crate::host::{Doom, JobDisk, Volatile};
use crate::scenario::Fault;
use crate::world::{Event, World, card};

/// The organisation that all are in.
const VO: VoId = VoId::from_bytes([5; 32]);

impl World {
    /// The machine is switched on.
    pub(crate) fn start(&mut self, node: usize) {
        let settings = self.scenario.settings.clone();
        let contact = self.hosts[0].id;
        let host = &mut self.hosts[node];
        if host.peer.is_some() {
            return;
        }
        host.life += 1;
        host.doom = None;
        host.volatile = Volatile::default();
        let slots = host.plan.slots;
        let ad = Ad { slots, free: slots, cores: slots.max(1), flops: 1, ..Ad::default() };
        let own = card(host.id, host.life);
        let overlay = outlast_overlay::Settings::default();
        let ledger = host.disk.ledger.clone();
        let mut peer = Peer::new(own, ad, settings, overlay, Box::new(Flops), ledger, self.now);
        let mut effects = Vec::new();
        let mut news = Vec::new();
        for (&id, disk) in &host.disk.jobs {
            let records: Vec<Record> = disk
                .records
                .iter()
                .filter_map(|bytes| wire::decode(bytes, limits::FRAME_BYTES).ok())
                .collect();
            assert_eq!(records.len(), disk.records.len(), "all records can be read back");
            // As it was: what the peer does next (who is blacklisted by now is struck) comes as effects.
            let back = Coordinator::recover(disk.spec.clone(), host.id, records.clone(), self.now);
            news.extend(self.check.resumed(id, &back).into_iter().map(|(c, class)| (id, c, class)));
            peer.resume(self.now, Recovered { spec: disk.spec.clone(), records }, &mut effects);
            let cells = (0..disk.spec.manager.grid().cells()).map(outlast_types::CellId);
            let accepted = cells.filter_map(|c| back.accepted_class(c).map(|class| (c, class)));
            host.volatile.accepted.insert(id, accepted.collect());
        }
        let mut contacts = host.disk.members.clone();
        contacts.push(card(contact, 0));
        contacts.retain(|card| card.node != host.id);
        host.peer = Some(peer);
        let (life, fuzz) = (host.life, host.plan.behaviour.fuzz_every);
        for (job, cell, class) in news {
            let host = &self.hosts[node];
            let output = host.disk.jobs[&job].outputs.get(&(cell, class));
            self.check.accepted(job, cell, class, output, &host.disk.blobs);
        }
        self.say(|| format!("node {node} starts, life {life}"));
        self.carry_out(node, effects);
        let me = self.hosts[node].id;
        let others: Vec<_> = self.hosts.iter().map(|host| host.id).filter(|id| *id != me).collect();
        for other in others {
            // Its disk remembers whom it is to have nothing to do with.
            let input = if self.hosts[node].barred.contains(&other) {
                Input::Expelled(other)
            } else {
                Input::Standing { node: other, standing: Standing::full(VO) }
            };
            self.input(node, input);
        }
        self.input(node, Input::Join(contacts));
        if fuzz.is_some() {
            self.at(Duration::from_millis(20), Event::Fuzz { node, life });
        }
    }

    pub(crate) fn strike(&mut self, fault: Fault) {
        self.say(|| format!("{fault:?}"));
        match fault {
            Fault::Crash { node, down } => {
                let life = self.hosts[node].life;
                if self.hosts[node].peer.is_some() {
                    self.hosts[node].doom = Some(Doom { back: down });
                    // If it has nothing to carry out until then.
                    self.at(Duration::from_millis(300), Event::Die { node, life });
                }
            }
            Fault::Cut { from, to, both, lasts } => {
                self.cut(&from, &to, both, true);
                self.at(lasts, Event::Heal { from, to, both });
            }
            Fault::Expel { node } => {
                let expelled = self.hosts[node].id;
                for other in (0..self.hosts.len()).filter(|&other| other != node) {
                    // The news takes its time, and reaches the expelled one, too.
                    let (soon, later) = (self.dice.millis(0, 1500), self.dice.millis(0, 1500));
                    self.at(soon, Event::Expelled { node: other, who: expelled });
                    let who = self.hosts[other].id;
                    self.at(later, Event::Expelled { node, who });
                }
            }
            Fault::Drain { node, back } => {
                self.hosts[node].returns = back;
                self.input(node, Input::Drain);
            }
            Fault::Cancel { job } => {
                let node = self.scenario.jobs[job].submitter;
                self.input(node, Input::Cancel(self.jobs[job]));
            }
            Fault::NoRoom { node, lasts } => {
                self.hosts[node].no_room = true;
                self.at(lasts, Event::Room { node });
            }
        }
    }

    pub(crate) fn cut(&mut self, from: &[usize], to: &[usize], both: bool, cut: bool) {
        for &a in from {
            for &b in to.iter().filter(|&&b| b != a) {
                let ways = if both { vec![(a, b), (b, a)] } else { vec![(a, b)] };
                for (a, b) in ways {
                    if !cut {
                        self.network.heal(a, b);
                        continue;
                    }
                    self.network.cut(a, b);
                    // Without acknowledgements either end notices, sooner or later.
                    let (soon, late) = (self.dice.millis(100, 5000), self.dice.millis(100, 5000));
                    self.at(soon, Event::Lost { node: a, of: b });
                    self.at(late, Event::Lost { node: b, of: a });
                }
            }
        }
    }

    pub(crate) fn submit(&mut self, job: usize) {
        let plan = self.scenario.jobs[job].clone();
        let (node, id) = (plan.submitter, self.jobs[job]);
        if self.hosts[node].peer.is_none() {
            self.at(Duration::from_secs(1), Event::Submit { job });
            return;
        }
        let toy = Arc::new(Toy::new(self.dice.number(), plan.shape));
        let manifest = ManifestRef { hash: Hash::of(&id.as_u64().to_le_bytes()), length: 8 };
        let seed = self.dice.number();
        let layers = cut(&*toy, &plan.policy, seed).expect("a plan is one that can be carried out");
        let spec = Arc::new(JobSpec {
            id,
            manager: toy.clone(),
            manifest,
            vo: None,
            policy: plan.policy,
            layers,
            trusted: Vec::new(),
            seed,
            created: self.now,
        });
        self.check.submitted(&spec, self.hosts[node].id, toy.clone());
        let disk = JobDisk {
            spec: spec.clone(),
            toy,
            records: Vec::new(),
            outputs: BTreeMap::new(),
            truths: BTreeMap::new(),
            written: None,
        };
        self.hosts[node].disk.jobs.insert(id, disk);
        self.hosts[node].volatile.accepted.insert(id, BTreeMap::new());
        self.input(node, Input::Submit(spec));
    }
}
