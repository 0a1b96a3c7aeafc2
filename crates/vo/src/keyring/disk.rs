//! What a keyring keeps: everything but the node's own key, which has a file of its own.

use std::collections::BTreeMap;

use outlast_types::{NodeId, wire};
use serde::{Deserialize, Serialize};

use super::{Keyring, KeyringError, Vo};
use crate::{Credential, InvitationId, Record, Records, Secret, Terms};

/// All of it, encoded: more than a node with 32 VOs of 1024 members and all their records needs.
pub const SAVED_BYTES: usize = 256 << 20;

#[derive(Serialize, Deserialize)]
struct Saved {
    me: NodeId,
    vos: Vec<SavedVo>,
    /// As text: its version is part of it.
    joining: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct SavedVo {
    credential: Credential,
    root: Option<[u8; 32]>,
    members: Vec<Credential>,
    records: Vec<Record>,
    invitations: BTreeMap<InvitationId, Terms>,
}

impl Keyring {
    /// For the disk. Has secrets: only the owner may read the file.
    ///
    /// # Errors
    /// If it is larger than [`SAVED_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>, KeyringError> {
        let vos = self.vos.values().map(|vo| SavedVo {
            credential: vo.credential.clone(),
            root: vo.root.as_ref().map(|root| *root.seed()),
            members: vo.members.values().cloned().collect(),
            records: vo.records.iter().cloned().collect(),
            invitations: vo.invitations.clone(),
        });
        let joining = self.joining.values().map(ToString::to_string).collect();
        let saved = Saved { me: self.me, vos: vos.collect(), joining };
        Ok(wire::encode(&saved, SAVED_BYTES)?)
    }

    /// From the disk. What this node wrote isn't checked again.
    ///
    /// # Errors
    /// If it isn't that, or belongs to another node.
    pub fn decode(key: Secret, bytes: &[u8]) -> Result<Self, KeyringError> {
        let saved: Saved = wire::decode(bytes, SAVED_BYTES)?;
        let mut keyring = Self::new(key);
        if saved.me != keyring.me {
            let (found, expected) = (saved.me, keyring.me);
            return Err(KeyringError::OtherNode { found, expected });
        }
        for vo in saved.vos {
            let SavedVo { credential, root, members, records, invitations } = vo;
            let members = members.into_iter().filter_map(|member| Some((member.holder()?, member)));
            let root = root.map(|seed| Secret::from_seed(&seed));
            let of = Vo {
                root,
                members: members.collect(),
                records: Records::from_saved(records),
                invitations,
                credential,
            };
            keyring.vos.insert(of.credential.vo, of);
        }
        let tickets = saved.joining.iter().filter_map(|text| text.parse().ok());
        keyring.joining = tickets.map(|ticket: crate::Ticket| (ticket.vo(), ticket)).collect();
        Ok(keyring)
    }
}
