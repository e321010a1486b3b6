//! The requests of SFTP, which only read.

use std::collections::HashMap;
use std::sync::Arc;

use russh_sftp::protocol::{
    Attrs, Data, File, FileAttributes, Handle, Name, OpenFlags, Status, StatusCode,
};
use russh_sftp::server::Handler;

use super::super::shelf::{End, Entry, Node, Shelf, Stored, Transfer, components};
use super::Socket;

/// The files that one client has open.
pub(super) struct SftpSession {
    folder: Arc<Shelf>,
    socket: Socket,
    open: HashMap<String, Open>,
    opened: u64,
}

enum Open {
    File {
        file: Stored,
        transfer: Transfer,
    },
    /// The entries that were not listed yet.
    Directory(Option<Vec<Entry>>),
}

impl SftpSession {
    pub(super) fn new(folder: Arc<Shelf>, socket: Socket) -> Self {
        Self {
            folder,
            socket,
            open: HashMap::new(),
            opened: 0,
        }
    }

    fn find(&self, path: &str) -> Result<Node, StatusCode> {
        self.folder.find(path).ok_or(StatusCode::NoSuchFile)
    }

    fn attributes_of(&self, path: &str) -> Result<FileAttributes, StatusCode> {
        Ok(match self.find(path)? {
            Node::File(file) => attributes(Some(&file)),
            Node::Directory(_) => attributes(None),
        })
    }

    fn insert(&mut self, id: u32, open: Open) -> Handle {
        self.opened += 1;
        let handle = self.opened.to_string();
        self.open.insert(handle.clone(), open);
        Handle { id, handle }
    }
}

/// The attributes of a file, or of a directory.
fn attributes(file: Option<&Stored>) -> FileAttributes {
    let modified = file.map_or(0, |file| file.modified.as_second());
    let modified = u32::try_from(modified).unwrap_or(0);
    FileAttributes {
        size: Some(file.map_or(0, |file| file.bytes.len() as u64)),
        uid: Some(0),
        gid: Some(0),
        permissions: Some(if file.is_some() { 0o100_644 } else { 0o040_755 }),
        atime: Some(modified),
        mtime: Some(modified),
        ..FileAttributes::default()
    }
}

impl Handler for SftpSession {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        StatusCode::OpUnsupported
    }

    async fn realpath(&mut self, id: u32, path: String) -> Result<Name, StatusCode> {
        let path = format!("/{}", components("", &path).join("/"));
        Ok(Name {
            id,
            files: vec![File::dummy(path)],
        })
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        let attrs = self.attributes_of(&path)?;
        Ok(Attrs { id, attrs })
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        self.stat(id, path).await
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, StatusCode> {
        let attrs = match self.open.get(&handle) {
            None => return Err(StatusCode::Failure),
            Some(Open::File { file, .. }) => attributes(Some(file)),
            Some(Open::Directory(_)) => attributes(None),
        };
        Ok(Attrs { id, attrs })
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, StatusCode> {
        match self.find(&path)? {
            Node::Directory(entries) => Ok(self.insert(id, Open::Directory(Some(entries)))),
            Node::File(_) => Err(StatusCode::Failure),
        }
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, StatusCode> {
        let Some(Open::Directory(entries)) = self.open.get_mut(&handle) else {
            return Err(StatusCode::Failure);
        };
        let entries = entries.take().ok_or(StatusCode::Eof)?;
        let file = |entry: Entry| File::new(entry.name, attributes(entry.file.as_ref()));
        let files: Vec<File> = entries.into_iter().map(file).collect();
        if files.is_empty() {
            return Err(StatusCode::Eof);
        }
        Ok(Name { id, files })
    }

    async fn open(
        &mut self,
        id: u32,
        filename: String,
        flags: OpenFlags,
        _: FileAttributes,
    ) -> Result<Handle, StatusCode> {
        if flags.bits() != OpenFlags::READ.bits() {
            return Err(StatusCode::PermissionDenied);
        }
        let Node::File(file) = self.find(&filename)? else {
            return Err(StatusCode::Failure);
        };
        let transfer = self.folder.transfer(&file);
        transfer.begin().await;
        Ok(self.insert(id, Open::File { file, transfer }))
    }

    async fn read(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        len: u32,
    ) -> Result<Data, StatusCode> {
        let Some(Open::File { transfer, .. }) = self.open.get(&handle) else {
            return Err(StatusCode::Failure);
        };
        let offset = usize::try_from(offset).map_err(|_| StatusCode::Failure)?;
        let piece = transfer.piece(offset, len as usize).await;
        if !piece.is_empty() {
            return Ok(Data {
                id,
                data: piece.to_vec(),
            });
        }
        if transfer.end().await == End::Cut {
            self.socket.end();
        }
        Err(StatusCode::Eof)
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, StatusCode> {
        self.open.remove(&handle).ok_or(StatusCode::Failure)?;
        Ok(Status {
            id,
            status_code: StatusCode::Ok,
            error_message: "Ok".to_owned(),
            language_tag: "en-US".to_owned(),
        })
    }
}
