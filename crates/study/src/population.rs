//! Who computes: honest machines, liars, and how they behave.

use crate::dice::{Dice, identity};
use crate::engine::Who;
use crate::scenario::{Behaviour, Scenario};

/// One participant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    pub(crate) liar: bool,
    /// Under its present identity it gets no work.
    pub(crate) out: bool,
    /// Answers given under its present identity.
    given: u32,
    /// Which identity it has.
    pub(crate) life: u32,
    pub(crate) speed: f32,
}

/// All participants of a run.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    people: Vec<Person>,
    behaviour: Behaviour,
}

impl Population {
    /// Who they are is chance: nobody can tell liars by their numbers.
    pub(crate) fn new(scenario: &Scenario, dice: &mut Dice) -> Self {
        let (slowest, fastest) = scenario.speeds;
        let mut left = scenario.colluders as usize;
        let total = scenario.participants as usize;
        let person = |number: usize| {
            // Each set of so many liars is as likely (Knuth, 3.4.2, algorithm S).
            let liar = dice.below(total - number) < left;
            left -= usize::from(liar);
            let speed = (slowest + (fastest - slowest) * dice.share()) as f32;
            Person { liar, out: false, given: 0, life: 0, speed }
        };
        Self { people: (0..total).map(person).collect(), behaviour: scenario.behaviour }
    }

    pub(crate) fn len(&self) -> u32 {
        self.people.len() as u32
    }

    pub(crate) fn get(&self, number: u32) -> &Person {
        &self.people[number as usize]
    }

    pub(crate) fn who(&self, number: u32) -> Who {
        Who { number, id: identity(number, self.get(number).life) }
    }

    /// Whether its next answer is a lie, if it can be: for careful liars another colluder has to
    /// know about the work.
    pub(crate) fn lies(&mut self, number: u32, accomplices: bool, dice: &mut Dice) -> bool {
        let person = &mut self.people[number as usize];
        let given = person.given;
        person.given = given.saturating_add(1);
        person.liar
            && match self.behaviour {
                Behaviour::Always => true,
                Behaviour::Sometimes(rate) => dice.chance(rate),
                Behaviour::OnOff { honest, lies } => {
                    u64::from(given) % (u64::from(honest) + u64::from(lies)) >= u64::from(honest)
                }
                Behaviour::After(honest) => given >= honest,
                Behaviour::Careful => accomplices,
            }
    }

    /// It gets no work any more, unless it comes back as somebody else.
    pub(crate) fn expel(&mut self, number: u32, comes_back: bool) {
        let person = &mut self.people[number as usize];
        if person.liar && comes_back {
            person.life += 1;
            person.given = 0;
        } else {
            person.out = true;
        }
    }
}
