//! The objects that a run asks for by name.

use std::error::Error;

use super::done::Key;
use super::reader::Reader;
use super::staging::Staged;
use super::types::Type;
use crate::cluster::raw::RawObject;

/// Why an object cannot be read.
pub(super) type ReadFailed = Box<dyn Error + Send + Sync>;

/// The staged objects, and those of the cluster.
pub(super) struct Objects<'a> {
    pub(super) reader: &'a Reader,
    pub(super) staged: Staged,
}

impl Objects<'_> {
    /// Reads an object: a staged one, or else one of the cluster; `None` if it does not exist.
    pub(super) async fn get(
        &self,
        type_: &Type,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<RawObject>, ReadFailed> {
        let key = Key::new(&type_.group_resource, namespace, name);
        if let Some(place) = self.staged.find(key) {
            return Ok(Some(self.staged.read(place).await?));
        }
        Ok(self.reader.get(&type_.resource, namespace, name).await?)
    }
}
