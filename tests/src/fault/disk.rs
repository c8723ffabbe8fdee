//! A model of a disk that forgets: per file the bytes that are synced and the writes that are not, per directory the
//! entries that are synced and the changes that are not.
//!
//! What may be left after a loss of power: everything that was synced before, and of the rest anything. A write may
//! be there in part, by sectors of 512 bytes; a later one may be there without an earlier one; a file may have its
//! new length without its bytes, which are zeros then; a new file may lack its entry, a deleted one still have it. A
//! sync of a file makes no promise about its entry. A rename within a directory is there or is not.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::OsString,
    fs,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::{
    random::Random,
    recording::{Operation, Place},
};

/// What a disk writes whole or not at all, in bytes.
const SECTOR_BYTES: usize = 512;

/// How much of what was not synced is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// All of it.
    All,
    /// Nothing: as when only the process dies.
    Nothing,
    /// Of each file and directory what came after some moment; the last write may be torn.
    Tail,
    /// Of each write some sectors, of each directory some changes.
    Some,
}

impl Loss {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::All, Self::Nothing, Self::Tail, Self::Some];

    /// One of them; those that leave more ways open are drawn more often.
    pub fn draw(random: &mut Random) -> Self {
        match random.below(10) {
            0 | 1 => Self::All,
            2 => Self::Nothing,
            3..=5 => Self::Tail,
            _ => Self::Some,
        }
    }
}

/// The number of a file or directory, which it keeps under any name.
type Node = usize;

/// A file: `pending` changes lead from `synced` to `live`.
#[derive(Debug, Default)]
struct FileNode {
    synced: Vec<u8>,
    live: Vec<u8>,
    pending: Vec<(usize, Change)>,
}

#[derive(Debug)]
enum Change {
    Write(u64, Arc<[u8]>),
    Length(u64),
}

/// A directory, likewise.
#[derive(Debug, Default)]
struct DirectoryNode {
    synced: BTreeMap<OsString, Node>,
    live: BTreeMap<OsString, Node>,
    pending: Vec<(usize, Entry)>,
}

#[derive(Debug)]
enum Entry {
    Add(OsString, Node),
    Remove(OsString),
    Rename(OsString, OsString, Node),
}

#[derive(Debug)]
enum Content {
    File(FileNode),
    Directory(DirectoryNode),
}

/// What an open number stands for.
#[derive(Debug, Clone)]
struct Handle {
    node: Node,
    /// Shared by duplicates.
    description: usize,
    append: bool,
}

/// A disk, from the moment when its root was empty.
pub struct Disk {
    root: PathBuf,
    nodes: Vec<Content>,
    handles: HashMap<i32, Handle>,
    /// Where each open file is written next.
    offsets: Vec<u64>,
    clients: HashMap<i32, u16>,
    /// How many processes ran before this one.
    life: usize,
    answers: HashMap<(usize, u16), Vec<u16>>,
    /// Nodes that are changed without calls, so that nothing is known of their bytes.
    mapped: HashSet<Node>,
    steps: usize,
    syncs: usize,
}

impl Disk {
    /// An empty directory that is durable itself.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            nodes: vec![Content::Directory(DirectoryNode::default())],
            handles: HashMap::new(),
            offsets: Vec::new(),
            clients: HashMap::new(),
            life: 0,
            answers: HashMap::new(),
            mapped: HashSet::new(),
            steps: 0,
            syncs: 0,
        }
    }

    /// The process ends, and another one will go on. What it wrote and did not sync stays as it is; what comes next is of another process.
    pub fn process_ended(&mut self) {
        self.life += 1;
        self.handles.clear();
        self.clients.clear();
        // Steps of the next recording count from nought again; whatever is pending came before them.
        self.steps = 0;
        for node in &mut self.nodes {
            match node {
                Content::File(file) => file.pending.iter_mut().for_each(|(at, _)| *at = 0),
                Content::Directory(directory) => directory.pending.iter_mut().for_each(|(at, _)| *at = 0),
            }
        }
    }

    /// The statuses that began to leave for the client on this port, of this process: the first is 0.
    pub fn answers(&self, life: usize, port: u16) -> &[u16] {
        self.answers.get(&(life, port)).map_or(&[], Vec::as_slice)
    }

    /// How many syncs of files and directories below the root there were.
    pub fn syncs(&self) -> usize {
        self.syncs
    }

    /// The path that an open number stands for, relative to the root.
    pub fn open_path(&self, fd: i32) -> Option<PathBuf> {
        self.path_of(self.handles.get(&fd)?.node)
    }

    /// Takes the next step. Returns the path that it changed or synced, relative to the root, if it did so.
    ///
    /// # Errors
    ///
    /// If the step is not modelled for a file below the root.
    pub fn apply(&mut self, step: &Operation) -> Result<Option<PathBuf>, String> {
        self.steps += 1;
        let at = self.steps;
        match step {
            Operation::Open { place, fd, create, truncate, append } => {
                return self.open(place, *fd, (*create, *truncate, *append));
            }
            Operation::Close(fd) => {
                self.handles.remove(fd);
                self.clients.remove(fd);
            }
            Operation::Duplicate { fd, copy } => {
                if let Some(handle) = self.handles.get(fd).cloned() {
                    self.handles.insert(*copy, handle);
                }
            }
            Operation::Seek { fd, to } => {
                if let Some(handle) = self.handles.get(fd) {
                    self.offsets[handle.description] = *to;
                }
            }
            Operation::Write { fd, at: place, bytes } => return Ok(self.write(*fd, *place, bytes)),
            Operation::Length { fd, bytes, grow } => {
                let Some((node, file)) = self.file(*fd) else { return Ok(None) };
                if !grow || *bytes > file.live.len() as u64 {
                    file.change(at, Change::Length(*bytes));
                }
                return Ok(self.path_of(node));
            }
            Operation::Sync { fd, begun } => return Ok(self.sync(*fd, *begun)),
            Operation::MakeDirectory(place) => {
                let Some((parent, name)) = self.parent(place)? else { return Ok(None) };
                let node = self.add_node(Content::Directory(DirectoryNode::default()));
                self.directory(parent).change(at, Entry::Add(name, node));
                return Ok(self.path_of(node));
            }
            Operation::Remove(place) => {
                let Some((parent, name)) = self.parent(place)? else { return Ok(None) };
                let path = self.path_of(parent).map(|path| path.join(&name));
                self.directory(parent).change(at, Entry::Remove(name));
                return Ok(path);
            }
            Operation::Rename(from, to) => return self.rename(from, to),
            Operation::MapForWriting(fd) => {
                if let Some(handle) = self.handles.get(fd) {
                    self.mapped.insert(handle.node);
                }
            }
            Operation::Accept { fd, port } => {
                self.clients.insert(*fd, *port);
            }
            Operation::Answer { fd, status } => {
                if let Some(port) = self.clients.get(fd) {
                    self.answers.entry((self.life, *port)).or_default().push(*status);
                }
            }
        }
        Ok(None)
    }

    /// What the directory holds now, by path, as a running program sees it: files with their bytes. Files that were
    /// changed through a mapping are left out.
    pub fn live(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = BTreeMap::new();
        let mut open = vec![(PathBuf::new(), 0)];
        while let Some((path, node)) = open.pop() {
            match &self.nodes[node] {
                Content::File(file) if !self.mapped.contains(&node) => {
                    all.insert(path, file.live.clone());
                }
                Content::File(_) => {}
                Content::Directory(directory) => {
                    open.extend(directory.live.iter().map(|(name, node)| (path.join(name), *node)));
                }
            }
        }
        all
    }

    /// Lays out a directory that a loss of power at this moment could leave.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn crash(&self, loss: Loss, random: &mut Random, into: &Path) -> std::io::Result<()> {
        let mut open = vec![(into.to_owned(), 0)];
        while let Some((path, node)) = open.pop() {
            match &self.nodes[node] {
                Content::File(file) => fs::write(&path, file.crash(loss, random))?,
                Content::Directory(directory) => {
                    fs::create_dir_all(&path)?;
                    let entries = directory.crash(loss, random);
                    open.extend(entries.into_iter().map(|(name, node)| (path.join(name), node)));
                }
            }
        }
        Ok(())
    }

    fn open(
        &mut self,
        place: &Place,
        fd: i32,
        (create, truncate, append): (bool, bool, bool),
    ) -> Result<Option<PathBuf>, String> {
        let Some(node) = self.find(place)? else {
            // Outside the root, or a file that cannot be below it.
            let Some((parent, name)) = self.parent(place)? else { return Ok(None) };
            if !create {
                return Err(format!("{} is open and was never made", place.path.display()));
            }
            let node = self.add_node(Content::File(FileNode::default()));
            let at = self.steps;
            self.directory(parent).change(at, Entry::Add(name, node));
            self.hold(fd, node, append);
            return Ok(self.path_of(node));
        };
        self.hold(fd, node, append);
        let at = self.steps;
        match &mut self.nodes[node] {
            Content::File(file) if truncate && !file.live.is_empty() => {
                file.change(at, Change::Length(0));
                Ok(self.path_of(node))
            }
            _ => Ok(None),
        }
    }

    fn hold(&mut self, fd: i32, node: Node, append: bool) {
        self.offsets.push(0);
        self.handles.insert(fd, Handle { node, description: self.offsets.len() - 1, append });
    }

    fn write(&mut self, fd: i32, place: Option<u64>, bytes: &Arc<[u8]>) -> Option<PathBuf> {
        let handle = self.handles.get(&fd)?.clone();
        let next = self.offsets[handle.description];
        let (_, file) = self.file(fd)?;
        let begin = place.unwrap_or(if handle.append { file.live.len() as u64 } else { next });
        let at = self.steps;
        let (_, file) = self.file(fd)?;
        file.change(at, Change::Write(begin, Arc::clone(bytes)));
        if place.is_none() {
            self.offsets[handle.description] = begin + bytes.len() as u64;
        }
        self.path_of(handle.node)
    }

    fn sync(&mut self, fd: i32, begun: usize) -> Option<PathBuf> {
        let node = self.handles.get(&fd)?.node;
        self.syncs += 1;
        match &mut self.nodes[node] {
            Content::File(file) => file.sync(begun),
            Content::Directory(directory) => directory.sync(begun),
        }
        self.path_of(node)
    }

    fn rename(&mut self, from: &Place, to: &Place) -> Result<Option<PathBuf>, String> {
        match (self.parent(from)?, self.parent(to)?) {
            (None, None) => Ok(None),
            (Some((from, old)), Some((to, new))) if from == to => {
                let at = self.steps;
                let directory = self.directory(from);
                let node = *directory.live.get(&old).ok_or("a file that was never made has a new name")?;
                directory.change(at, Entry::Rename(old, new, node));
                Ok(self.path_of(node))
            }
            _ => Err("a move from one directory to another is not modelled".to_owned()),
        }
    }

    fn add_node(&mut self, content: Content) -> Node {
        self.nodes.push(content);
        self.nodes.len() - 1
    }

    fn file(&mut self, fd: i32) -> Option<(Node, &mut FileNode)> {
        let node = self.handles.get(&fd)?.node;
        match &mut self.nodes[node] {
            Content::File(file) => Some((node, file)),
            Content::Directory(_) => None,
        }
    }

    fn directory(&mut self, node: Node) -> &mut DirectoryNode {
        match &mut self.nodes[node] {
            Content::Directory(directory) => directory,
            Content::File(_) => unreachable!("a parent is a directory: `parent` looks"),
        }
    }

    /// The directory and the name of a place; `None` outside the root.
    fn parent(&self, place: &Place) -> Result<Option<(Node, OsString)>, String> {
        let (Some(name), Some(parent)) = (place.path.file_name(), place.path.parent()) else {
            return Ok(None);
        };
        let parent = Place { directory: place.directory, path: parent.to_owned() };
        let Some(node) = self.find(&parent)? else { return Ok(None) };
        match &self.nodes[node] {
            Content::Directory(_) => Ok(Some((node, name.to_owned()))),
            Content::File(_) => Err(format!("{} is no directory", parent.path.display())),
        }
    }

    /// The node at a place; `None` outside the root, or if there is none.
    fn find(&self, place: &Place) -> Result<Option<Node>, String> {
        let (mut node, rest) = if place.path.is_absolute() {
            let Ok(rest) = place.path.strip_prefix(&self.root) else { return Ok(None) };
            (0, rest)
        } else {
            let Some(handle) = place.directory.and_then(|fd| self.handles.get(&fd)) else { return Ok(None) };
            (handle.node, place.path.as_path())
        };
        for part in rest.components() {
            let name = match part {
                Component::Normal(name) => name,
                Component::CurDir => continue,
                _ => return Err(format!("{} is not a plain path", place.path.display())),
            };
            let Content::Directory(directory) = &self.nodes[node] else { return Ok(None) };
            let Some(next) = directory.live.get(name) else { return Ok(None) };
            node = *next;
        }
        Ok(Some(node))
    }

    /// Where a node is now, relative to the root; `None` if it is nowhere any more.
    fn path_of(&self, wanted: Node) -> Option<PathBuf> {
        let mut open = vec![(PathBuf::new(), 0)];
        while let Some((path, node)) = open.pop() {
            if node == wanted {
                return Some(path);
            }
            if let Content::Directory(directory) = &self.nodes[node] {
                open.extend(directory.live.iter().map(|(name, node)| (path.join(name), *node)));
            }
        }
        None
    }
}

impl FileNode {
    fn change(&mut self, at: usize, change: Change) {
        change.apply(&mut self.live);
        self.pending.push((at, change));
    }

    fn sync(&mut self, begun: usize) {
        // What ended after the sync began may have missed it, and so may all that is not before it.
        let covered = self.pending.iter().take_while(|(at, _)| *at <= begun).count();
        for (_, change) in self.pending.drain(..covered) {
            change.apply(&mut self.synced);
        }
    }

    fn crash(&self, loss: Loss, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        let kept = match loss {
            Loss::All => 0,
            Loss::Nothing | Loss::Some => self.pending.len(),
            Loss::Tail => random.below(self.pending.len() + 1),
        };
        for (index, (_, change)) in self.pending.iter().take(kept).enumerate() {
            let torn = loss == Loss::Some || (loss == Loss::Tail && index + 1 == kept && random.percent(50));
            if torn { change.apply_in_part(&mut bytes, random) } else { change.apply(&mut bytes) }
        }
        bytes
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length as usize, 0),
            Self::Write(at, new) => overwrite(bytes, *at as usize, new),
        }
    }

    /// Some sectors, whole; or none; or the new length and nothing in it.
    fn apply_in_part(&self, bytes: &mut Vec<u8>, random: &mut Random) {
        let Self::Write(at, new) = self else {
            if random.percent(50) {
                self.apply(bytes);
            }
            return;
        };
        let at = *at as usize;
        let share = random.below(101);
        if random.percent(30) {
            bytes.resize(bytes.len().max(at + new.len()), 0);
        }
        let mut begin = 0;
        while begin < new.len() {
            let end = ((at + begin) / SECTOR_BYTES + 1) * SECTOR_BYTES - at;
            let end = end.min(new.len());
            if random.percent(share) {
                overwrite(bytes, at + begin, &new[begin..end]);
            }
            begin = end;
        }
    }
}

fn overwrite(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    if bytes.len() < at + new.len() {
        bytes.resize(at + new.len(), 0);
    }
    bytes[at..at + new.len()].copy_from_slice(new);
}

impl DirectoryNode {
    fn change(&mut self, at: usize, entry: Entry) {
        entry.apply(&mut self.live);
        self.pending.push((at, entry));
    }

    fn sync(&mut self, begun: usize) {
        let covered = self.pending.iter().take_while(|(at, _)| *at <= begun).count();
        for (_, entry) in self.pending.drain(..covered) {
            entry.apply(&mut self.synced);
        }
    }

    fn crash(&self, loss: Loss, random: &mut Random) -> BTreeMap<OsString, Node> {
        let mut entries = self.synced.clone();
        let kept = match loss {
            Loss::All => 0,
            Loss::Nothing | Loss::Some => self.pending.len(),
            Loss::Tail => random.below(self.pending.len() + 1),
        };
        for (_, entry) in self.pending.iter().take(kept) {
            if loss != Loss::Some || random.percent(50) {
                entry.apply(&mut entries);
            }
        }
        entries
    }
}

impl Entry {
    fn apply(&self, entries: &mut BTreeMap<OsString, Node>) {
        match self {
            Self::Add(name, node) => {
                entries.insert(name.clone(), *node);
            }
            Self::Remove(name) => {
                entries.remove(name);
            }
            Self::Rename(from, to, node) => {
                // Without its old name on the disk there is nothing to rename there.
                if entries.remove(from).is_some() {
                    entries.insert(to.clone(), *node);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        fs,
        path::{Path, PathBuf},
    };

    use super::{Disk, Loss};
    use crate::fault::{
        random::Random,
        recording::{Operation, Place},
    };

    fn open(path: &str, fd: i32, create: bool) -> Operation {
        let place = Place { directory: None, path: Path::new("/disk").join(path) };
        Operation::Open { place, fd, create, truncate: false, append: false }
    }

    fn write(fd: i32, at: u64, bytes: &[u8]) -> Operation {
        Operation::Write { fd, at: Some(at), bytes: bytes.into() }
    }

    fn after(steps: &[Operation]) -> Disk {
        let mut disk = Disk::new(Path::new("/disk"));
        steps.iter().for_each(|step| drop(disk.apply(step).expect("a step that is modelled")));
        disk
    }

    fn left(disk: &Disk, loss: Loss, seed: u64) -> BTreeMap<PathBuf, Vec<u8>> {
        let directory = tempfile::TempDir::new().expect("a temporary directory");
        disk.crash(loss, &mut Random::new(seed, 0), directory.path()).expect("it is laid out");
        let entries = fs::read_dir(directory.path()).expect("it is there");
        let entries = entries.map(|entry| entry.expect("an entry").path());
        entries
            .map(|path| (path.file_name().expect("a name").into(), fs::read(&path).expect("a file")))
            .collect()
    }

    fn files(all: &[(&str, &[u8])]) -> BTreeMap<PathBuf, Vec<u8>> {
        all.iter().map(|(name, bytes)| (PathBuf::from(name), bytes.to_vec())).collect()
    }

    #[test]
    fn what_is_not_synced_can_be_lost_and_what_is_cannot() {
        let steps = [
            open("a", 3, true),
            write(3, 0, b"one"),
            Operation::Sync { fd: 3, begun: 2 },
            write(3, 3, b"two"),
        ];
        // The bytes are durable and the entry is not.
        assert_eq!(left(&after(&steps), Loss::All, 1), files(&[]));
        assert_eq!(left(&after(&steps), Loss::Nothing, 1), files(&[("a", b"onetwo")]));
        let root = Operation::Open {
            place: Place { directory: None, path: "/disk".into() },
            fd: 4,
            create: false,
            truncate: false,
            append: false,
        };
        let synced = [&steps[..], &[root, Operation::Sync { fd: 4, begun: 5 }]].concat();
        for seed in 0..50 {
            assert_eq!(left(&after(&synced), Loss::All, seed), files(&[("a", b"one")]));
            let some = left(&after(&synced), Loss::Some, seed);
            let bytes = &some[Path::new("a")];
            assert!([&b"one"[..], b"onetwo", b"one\0\0\0"].contains(&bytes.as_slice()), "{bytes:?}");
        }
        let removed = Operation::Remove(Place { directory: None, path: "/disk/a".into() });
        let steps = [&synced[..], &[removed]].concat();
        assert_eq!(left(&after(&steps), Loss::All, 1), files(&[("a", b"one")]), "its entry is still there");
        assert_eq!(left(&after(&steps), Loss::Nothing, 1), files(&[]));
    }

    #[test]
    fn a_write_during_a_sync_is_not_covered_by_it() {
        let steps = [open("a", 3, true), write(3, 0, b"late"), Operation::Sync { fd: 3, begun: 1 }];
        let disk = after(&steps);
        assert_eq!(disk.live(), files(&[("a", b"late")]));
        let lengths: Vec<_> = (0..50)
            .filter_map(|seed| Some(left(&disk, Loss::Some, seed).get(Path::new("a"))?.len()))
            .collect();
        assert!(lengths.contains(&0), "the write is never lost: {lengths:?}");
    }

    #[test]
    fn sectors_are_whole() {
        let steps = [open("a", 3, true), write(3, 100, &[1; 2_000])];
        let disk = after(&steps);
        for seed in 0..50 {
            let Some(bytes) = left(&disk, Loss::Some, seed).remove(Path::new("a")) else { continue };
            for (number, sector) in bytes.chunks(512).enumerate() {
                let written = &sector[if number == 0 { sector.len().min(100) } else { 0 }..];
                let ones = written.iter().filter(|byte| **byte == 1).count();
                assert!(ones == 0 || ones == written.len(), "sector {number} is torn");
            }
        }
    }
}
