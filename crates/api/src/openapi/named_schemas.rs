//! The schemas that other schemas refer to by name.

use std::collections::BTreeMap;

use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

/// Schemas by the name that other schemas refer to.
pub(crate) type Schemas = BTreeMap<String, RefOr<Schema>>;

/// The schema of a type, and all schemas that it refers to.
pub(crate) fn schemas_of<T: ToSchema>() -> Schemas {
    let mut schemas = Vec::new();
    T::schemas(&mut schemas);
    schemas.push((T::name().into_owned(), T::schema()));
    schemas.into_iter().collect()
}
