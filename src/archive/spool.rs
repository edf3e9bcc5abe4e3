//! An archive on local disk: one nameless data file and an index in memory, so that a restore can read items in its own order.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;

use super::layout::{ItemCopy, ItemPath, Member};
use super::reader::{self, Limits, ReadError, Sink, Summary};

#[cfg(test)]
mod tests;

/// How an archive is spooled.
#[derive(Clone, Copy, Debug)]
pub struct SpoolOptions {
    /// Limits of the archive itself.
    pub limits: Limits,
    /// Bytes that the data file may take (`--restore-spool-limit`).
    pub spool: u64,
    /// Whether the versioned copies are kept too; plain copies always are (decision 21).
    pub versioned: bool,
}

/// Handle of one copy of one item in its [`Spool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemHandle(u32);

impl ItemHandle {
    /// Its position in [`Spool::items`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The items of one archive: their bytes on disk, in memory 24 bytes an item, its name, and 36 bytes for each namespace of each resource.
///
/// For 300,000 items with names of 40 bytes that is 19 MB; the same again where versioned copies are kept. While the archive is read the vectors
/// may have grown to twice that, and the reader remembers the paths (see [`reader::read`]).
#[derive(Debug)]
pub struct Spool {
    data: File,
    index: Index,
    summary: Summary,
}

impl Spool {
    /// Reads an archive into a data file in the directory `scratch`.
    ///
    /// The file has no name (or loses it at once), so a crash leaves nothing behind. A second call starts over.
    pub fn fill<R: Read>(archive: R, scratch: &Path, options: &SpoolOptions) -> Result<Self, ReadError> {
        let data = tempfile::tempfile_in(scratch).map_err(ReadError::Sink)?;
        let mut filling = Filling {
            data: BufWriter::with_capacity(256 << 10, data),
            used: 0,
            limit: options.spool,
            versioned: options.versioned,
            index: Building::default(),
        };
        let summary = reader::read(archive, &options.limits, &mut filling)?;
        let data = filling
            .data
            .into_inner()
            .map_err(|error| ReadError::Sink(error.into_error()))?;
        Ok(Self {
            data,
            index: filling.index.finish(),
            summary,
        })
    }

    /// The summary of the pass over the archive.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Every group-resource that has a plain copy, sorted.
    pub fn group_resources(&self) -> impl Iterator<Item = &str> {
        let plain = self.index.scopes.iter().filter(|scope| scope.version.is_none());
        let mut last = None;
        plain
            .filter(move |scope| last.replace(scope.resource) != Some(scope.resource))
            .map(|scope| self.index.text(scope.resource))
    }

    /// The versions that a group-resource was saved at, sorted as text, and whether each is the preferred one; none unless versioned copies are kept.
    pub fn versions(&self, group_resource: &str) -> impl Iterator<Item = (&str, bool)> {
        let mut last = None;
        self.index.resource(group_resource).iter().filter_map(move |scope| {
            let (version, preferred) = scope.version?;
            (last.replace((version, preferred)) != scope.version).then(|| (self.index.text(version), preferred))
        })
    }

    /// The namespaces of one group-resource in that copy, sorted; `None`, the first, is cluster scope.
    pub fn namespaces<'a>(&'a self, group_resource: &str, copy: ItemCopy<'_>) -> impl Iterator<Item = Option<&'a str>> {
        self.index
            .copies(group_resource, copy)
            .iter()
            .map(|scope| scope.namespace.map(|namespace| self.index.text(namespace)))
    }

    /// The items of one group-resource in one scope, sorted by name.
    pub fn items_in(
        &self,
        group_resource: &str,
        copy: ItemCopy<'_>,
        namespace: Option<&str>,
    ) -> impl ExactSizeIterator<Item = ItemHandle> + DoubleEndedIterator + use<> {
        self.index
            .scope(group_resource, copy, namespace)
            .map(|scope| scope.items.clone())
            .unwrap_or_default()
            .map(ItemHandle)
    }

    /// Every kept copy, by group-resource, copy, namespace, name. The same archive gives the same order.
    pub fn items(&self) -> impl ExactSizeIterator<Item = ItemHandle> + DoubleEndedIterator + use<> {
        (0..u32::try_from(self.index.items.len()).unwrap_or(u32::MAX)).map(ItemHandle)
    }

    /// Looks up one item.
    pub fn find(&self, item: &ItemPath<'_>, copy: ItemCopy<'_>) -> Option<ItemHandle> {
        let range = self
            .index
            .scope(item.group_resource, copy, item.namespace)?
            .items
            .clone();
        let items = &self.index.items[range.start as usize..range.end as usize];
        let at = items
            .binary_search_by(|entry| self.index.name(entry).cmp(item.name))
            .ok()?;
        u32::try_from(at).ok().map(|at| ItemHandle(range.start + at))
    }

    /// The path of an item, and which copy it is.
    pub fn path(&self, item: ItemHandle) -> (ItemPath<'_>, ItemCopy<'_>) {
        let entry = &self.index.items[item.index()];
        let scope = &self.index.scopes[entry.scope as usize];
        let (group_resource, copy, namespace) = self.index.key(scope);
        (
            ItemPath {
                group_resource,
                namespace,
                name: self.index.name(entry),
            },
            copy,
        )
    }

    /// Size of an item in bytes, without reading it.
    pub fn size(&self, item: ItemHandle) -> u64 {
        self.index.items[item.index()].size.into()
    }

    /// An item's JSON. Blocks on the disk; any number of threads may read at once.
    pub fn read(&self, item: ItemHandle) -> io::Result<Bytes> {
        let entry = &self.index.items[item.index()];
        let mut content = vec![0; entry.size as usize];
        read_at(&self.data, &mut content, entry.offset)?;
        Ok(content.into())
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
        }
    }
    Ok(())
}

/// An entry of the index. There are as many of these as items, so every byte counts.
#[derive(Debug)]
struct Item {
    offset: u64,
    size: u32,
    name: u32,
    scope: u32,
    name_len: u16,
}

const _: () = assert!(size_of::<Item>() == 24);

/// Position of an interned text.
type Symbol = u32;

/// What items have in common: resource, copy, namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Scope {
    resource: Symbol,
    /// `None`: the plain copies.
    version: Option<(Symbol, bool)>,
    namespace: Option<Symbol>,
    items: Range<u32>,
}

/// Sorted: scopes by their key, items by scope and then by name.
#[derive(Debug, Default)]
struct Index {
    texts: Vec<Box<str>>,
    names: String,
    scopes: Vec<Scope>,
    items: Vec<Item>,
}

impl Index {
    fn text(&self, symbol: Symbol) -> &str {
        &self.texts[symbol as usize]
    }

    fn name(&self, item: &Item) -> &str {
        let start = item.name as usize;
        &self.names[start..start + usize::from(item.name_len)]
    }

    fn key(&self, scope: &Scope) -> (&str, ItemCopy<'_>, Option<&str>) {
        let copy = scope
            .version
            .map_or(ItemCopy::Plain, |(version, preferred)| ItemCopy::Versioned {
                version: self.text(version),
                preferred,
            });
        (
            self.text(scope.resource),
            copy,
            scope.namespace.map(|namespace| self.text(namespace)),
        )
    }

    fn resource(&self, group_resource: &str) -> &[Scope] {
        equal_range(&self.scopes, |scope| self.text(scope.resource).cmp(group_resource))
    }

    fn copies(&self, group_resource: &str, copy: ItemCopy<'_>) -> &[Scope] {
        equal_range(self.resource(group_resource), |scope| self.key(scope).1.cmp(&copy))
    }

    fn scope(&self, group_resource: &str, copy: ItemCopy<'_>, namespace: Option<&str>) -> Option<&Scope> {
        equal_range(self.copies(group_resource, copy), |scope| {
            self.key(scope).2.cmp(&namespace)
        })
        .first()
    }
}

fn equal_range(scopes: &[Scope], order: impl Fn(&Scope) -> Ordering) -> &[Scope] {
    let start = scopes.partition_point(|scope| order(scope).is_lt());
    let end = scopes.partition_point(|scope| order(scope).is_le());
    &scopes[start..end]
}

/// The index while items still come.
#[derive(Default)]
struct Building {
    index: Index,
    symbols: HashMap<Box<str>, Symbol>,
    scopes: HashMap<Scope, u32>,
}

impl Building {
    fn add(&mut self, item: &ItemPath<'_>, copy: ItemCopy<'_>, offset: u64, size: usize) -> io::Result<()> {
        let scope = Scope {
            resource: self.symbol(item.group_resource)?,
            version: match copy {
                ItemCopy::Plain => None,
                ItemCopy::Versioned { version, preferred } => Some((self.symbol(version)?, preferred)),
            },
            namespace: item.namespace.map(|namespace| self.symbol(namespace)).transpose()?,
            items: 0..0,
        };
        let scope = if let Some(known) = self.scopes.get(&scope) {
            *known
        } else {
            let new = fit(self.index.scopes.len())?;
            self.index.scopes.push(scope.clone());
            self.scopes.insert(scope, new);
            new
        };
        let name = fit(self.index.names.len())?;
        self.index.names.push_str(item.name);
        self.index.items.push(Item {
            offset,
            size: fit(size)?,
            name,
            scope,
            name_len: fit(item.name.len())?,
        });
        Ok(())
    }

    fn symbol(&mut self, text: &str) -> io::Result<Symbol> {
        if let Some(symbol) = self.symbols.get(text) {
            return Ok(*symbol);
        }
        let symbol = fit(self.index.texts.len())?;
        self.index.texts.push(text.into());
        self.symbols.insert(text.into(), symbol);
        Ok(symbol)
    }

    fn finish(self) -> Index {
        let mut index = self.index;
        let mut order: Vec<usize> = (0..index.scopes.len()).collect();
        order.sort_by(|a, b| index.key(&index.scopes[*a]).cmp(&index.key(&index.scopes[*b])));
        let mut rank = vec![0; order.len()];
        for (new, old) in (0..).zip(&order) {
            rank[*old] = new;
        }
        for item in &mut index.items {
            item.scope = rank[item.scope as usize];
        }
        index.scopes = order.iter().map(|old| index.scopes[*old].clone()).collect();

        let mut items = std::mem::take(&mut index.items);
        items.sort_unstable_by(|a, b| a.scope.cmp(&b.scope).then_with(|| index.name(a).cmp(index.name(b))));
        items.shrink_to_fit();
        index.names.shrink_to_fit();
        for (at, item) in (0..).zip(&items) {
            let range = &mut index.scopes[item.scope as usize].items;
            *range = if range.end == 0 {
                at..at + 1
            } else {
                range.start..at + 1
            };
        }
        index.items = items;
        index
    }
}

fn fit<T: TryFrom<usize>>(number: usize) -> io::Result<T> {
    T::try_from(number)
        .map_err(|_| io::Error::other("the archive has more items, names or bytes in an item than can be indexed"))
}

/// Takes members from the reader.
struct Filling {
    data: BufWriter<File>,
    used: u64,
    limit: u64,
    versioned: bool,
    index: Building,
}

impl Sink for Filling {
    fn member(&mut self, member: Member<'_>, _path: &str, content: &[u8]) -> io::Result<()> {
        let Member::Item(item, copy) = member else {
            return Ok(());
        };
        if copy != ItemCopy::Plain && !self.versioned {
            return Ok(());
        }
        let offset = self.used;
        self.used += content.len() as u64;
        if self.used > self.limit {
            let limit = self.limit;
            let text = format!(
                "its items take more than the {limit} bytes of scratch space that `--restore-spool-limit` grants"
            );
            return Err(io::Error::new(ErrorKind::StorageFull, text));
        }
        self.data.write_all(content)?;
        self.index.add(&item, copy, offset, content.len())
    }
}
