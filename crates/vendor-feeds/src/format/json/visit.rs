//! Visits objects and lists. Scalars of all types are one case.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

/// Receives one JSON value.
pub(super) trait Containers<'de>: Sized {
    fn object<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error>;

    fn list<A: SeqAccess<'de>>(self, elements: A) -> Result<(), A::Error>;

    /// Any other value; `found` names it.
    fn scalar<E: Error>(self, _found: &'static str) -> Result<(), E> {
        Ok(())
    }
}

/// Passes the next value to `containers`.
pub(super) fn visit<'de, D, C>(deserializer: D, containers: C) -> Result<(), D::Error>
where
    D: Deserializer<'de>,
    C: Containers<'de>,
{
    deserializer.deserialize_any(Any(containers))
}

struct Any<C>(C);

impl<'de, C: Containers<'de>> Visitor<'de> for Any<C> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        self.0.object(members)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<(), A::Error> {
        self.0.list(elements)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.scalar(if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.0.scalar("a number")
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.0.scalar("a number")
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.0.scalar("a number")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.0.scalar("a string")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.scalar("null")
    }
}

/// Reads the name of a member, and returns what the function makes of it. A name is bytes: it need not be valid Unicode, unless
/// a setting names it.
pub(super) struct Name<F, T>(F, PhantomData<T>);

impl<F: FnOnce(&[u8]) -> T, T> Name<F, T> {
    pub(super) fn new(read: F) -> Self {
        Self(read, PhantomData)
    }
}

impl<'de, F: FnOnce(&[u8]) -> T, T> DeserializeSeed<'de> for Name<F, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<F: FnOnce(&[u8]) -> T, T> Visitor<'_> for Name<F, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<T, E> {
        Ok((self.0)(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
        self.visit_bytes(name.as_bytes())
    }
}
