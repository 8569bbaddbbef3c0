//! Where files are edited by callgate itself: what is on disk, and what would come of other
//! contents, before anything is written.

use std::path::Path;
use std::sync::Arc;

use super::attempt::{Attempt, attempt};
use super::files::read_files;
use super::history::Held;
use super::weighing::Weigh;
use crate::aside::aside;
use crate::policy::{CompileContext, FileSet, Version};
use crate::settings::Problem;

/// The files on disk, while nobody else in this process can put others in force.
pub struct Desk<'a> {
    pub(super) directory: &'a Path,
    pub(super) context: &'a CompileContext,
    /// The files in force.
    pub(super) in_force: &'a FileSet,
    pub(super) disk: FileSet,
    pub(super) current: &'a Version,
    pub(super) number: u64,
    pub(super) weigh: &'a Weigh<'a>,
}

impl Desk<'_> {
    pub fn directory(&self) -> &Path {
        self.directory
    }

    pub fn in_force(&self) -> &FileSet {
        self.in_force
    }

    pub fn disk(&self) -> &FileSet {
        &self.disk
    }

    /// Reads the files anew. Errors: the one that cannot be read.
    pub fn look_again(&mut self) -> Result<(), Box<Problem>> {
        self.disk = read_files(self.directory)?;
        Ok(())
    }

    /// Compiles the files on disk with another content of some of them.
    ///
    /// Errors: every problem that keeps those contents from coming into force; what else is wrong on
    /// disk holds up itself alone.
    pub fn would_be(&mut self, contents: &[(&str, &Arc<[u8]>)]) -> Result<(), Vec<Problem>> {
        let mut files = self.disk.clone();
        for (path, content) in contents {
            let content = Arc::clone(content);
            files.files.insert((*path).to_owned(), content);
        }
        let (base, number, current) = (self.in_force, self.number, self.current);
        let (context, weigh) = (self.context, self.weigh);
        let tried = aside("policy-compile", || {
            attempt(
                files,
                Some(base),
                Vec::new(),
                context,
                number,
                current,
                weigh,
            )
        });
        match &tried.attempt {
            Attempt::Bad(problems) => return Err(problems.clone()),
            Attempt::Same { held, .. } | Attempt::Good { held, .. } => {
                let own = |held: &&Held| contents.iter().any(|(path, _)| held.file == *path);
                let mut own = held.iter().filter(own).peekable();
                if own.peek().is_some() {
                    return Err(own.flat_map(|held| held.problems.clone()).collect());
                }
            }
        }
        Ok(())
    }
}
