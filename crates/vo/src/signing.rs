//! Signatures: ed25519, over a payload that says what it is for.
//!
//! A payload is the name and version of its kind, a zero byte, then the postcard form of its fields. So a
//! signature made for one purpose can't serve for another one, and a later version can't be taken for this one.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use outlast_types::NodeId;
use serde::{Deserialize, Serialize};

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Certificate,
    Invitation,
    Proof,
    Record,
    Ledger,
}

impl Kind {
    /// Never the beginning of another one: the zero byte ends it.
    const fn domain(self) -> &'static [u8] {
        match self {
            Self::Certificate => b"outlast vo certificate 1\0",
            Self::Invitation => b"outlast vo invitation 1\0",
            Self::Proof => b"outlast vo proof of an invitation 1\0",
            Self::Record => b"outlast vo record 1\0",
            Self::Ledger => b"outlast ledger of credibility 1\0",
        }
    }
}

fn payload<T: Serialize>(kind: Kind, fields: &T) -> Vec<u8> {
    postcard::to_extend(fields, kind.domain().to_vec())
        .expect("fields are numbers, arrays and texts, which postcard always takes")
}

/// An ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Signature([[u8; 32]; 2]);

impl Signature {
    /// Whether `key` signed these fields. Strict: there is one signature for a key and a payload that passes, no
    /// variations of it.
    pub(crate) fn verifies<T: Serialize>(self, key: &[u8; 32], kind: Kind, fields: &T) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(key) else { return false };
        let signature = ed25519_dalek::Signature::from_bytes(&self.to_bytes());
        key.verify_strict(&payload(kind, fields), &signature).is_ok()
    }

    /// Whether the node of this key signed this ledger.
    pub fn is_of_ledger(self, observer: NodeId, ledger: &[u8]) -> bool {
        self.verifies(observer.as_bytes(), Kind::Ledger, &ledger)
    }

    fn to_bytes(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.0[0]);
        bytes[32..].copy_from_slice(&self.0[1]);
        bytes
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0[0][..5]))
    }
}

/// A secret key: a node's, a VO's root, or an invitation's seed. Zeroed when dropped, never shown.
#[derive(Clone)]
pub struct Secret(SigningKey);

impl Secret {
    /// The key with this seed: 32 bytes of which nobody else may know, from the system's random numbers.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Its seed.
    pub fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Its public key.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Signs what this node knows of others' credibility, as it is saved.
    pub fn sign_ledger(&self, ledger: &[u8]) -> Signature {
        self.sign(Kind::Ledger, &ledger)
    }

    pub(crate) fn sign<T: Serialize>(&self, kind: Kind, fields: &T) -> Signature {
        let bytes = self.0.sign(&payload(kind, fields)).to_bytes();
        let (mut low, mut high) = ([0; 32], [0; 32]);
        low.copy_from_slice(&bytes[..32]);
        high.copy_from_slice(&bytes[32..]);
        Signature([low, high])
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret of {}", data_encoding::HEXLOWER.encode(&self.public()[..5]))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.public() == other.public()
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_serves_one_purpose_one_key_and_one_payload() {
        let secret = Secret::from_seed(&[1; 32]);
        let signature = secret.sign(Kind::Certificate, &(1u32, "a"));
        assert!(signature.verifies(&secret.public(), Kind::Certificate, &(1u32, "a")));
        assert!(!signature.verifies(&secret.public(), Kind::Record, &(1u32, "a")));
        assert!(!signature.verifies(&secret.public(), Kind::Certificate, &(1u32, "b")));
        let other = Secret::from_seed(&[2; 32]);
        assert!(!signature.verifies(&other.public(), Kind::Certificate, &(1u32, "a")));
        // Not a point of the curve, and one of small order.
        assert!(!signature.verifies(&[2; 32], Kind::Certificate, &(1u32, "a")));
        assert!(!signature.verifies(&[0; 32], Kind::Certificate, &(1u32, "a")));
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::from_seed(&[7; 32]);
        assert!(!format!("{secret:?}").contains("0707"), "{secret:?}");
        let kinds = [Kind::Certificate, Kind::Invitation, Kind::Proof, Kind::Record];
        for (i, a) in kinds.iter().enumerate() {
            for b in &kinds[i + 1..] {
                assert!(!a.domain().starts_with(b.domain()) && !b.domain().starts_with(a.domain()));
            }
        }
    }
}
