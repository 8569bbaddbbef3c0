//! A file of JSON lines, which gets successors.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use super::segment::NewRow;
use super::settings::NdjsonSettings;
use super::takes::Takes;

/// `decisions.ndjson`, and behind it `decisions.ndjson.1`, which is older, and so on.
#[derive(Debug)]
pub(super) struct LineFile {
    settings: NdjsonSettings,
    open: Option<File>,
    bytes: u64,
}

impl LineFile {
    pub(super) fn new(settings: NdjsonSettings) -> LineFile {
        LineFile {
            settings,
            open: None,
            bytes: 0,
        }
    }

    fn open(&mut self) -> std::io::Result<&mut File> {
        if self.open.is_some() && self.bytes >= self.settings.bytes_max {
            self.open = None;
            self.rotate()?;
        }
        if self.open.is_none() {
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(&self.settings.path)?;
            self.bytes = file.metadata()?.len();
            self.open = Some(file);
        }
        Ok(self.open.as_mut().expect("it was opened above"))
    }

    /// Each file takes the number behind its own; the last one goes.
    fn rotate(&self) -> std::io::Result<()> {
        for number in (1..self.settings.files_max.max(1)).rev() {
            let (from, to) = (self.numbered(number - 1), self.numbered(number));
            match fs::rename(from, to) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        match self.settings.files_max {
            0 | 1 => fs::remove_file(&self.settings.path),
            _ => Ok(()),
        }
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.settings.path.clone().into_os_string();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        PathBuf::from(name)
    }
}

impl Takes for LineFile {
    fn take(&mut self, rows: &[NewRow]) -> Result<(), String> {
        let path = self.settings.path.display().to_string();
        let written = (|| {
            let file = self.open()?;
            let mut lines = BufWriter::new(file);
            let mut bytes = 0;
            for new in rows {
                let mut line = serde_json::to_vec(&new.row)?;
                line.push(b'\n');
                lines.write_all(&line)?;
                bytes += line.len() as u64;
            }
            lines.flush()?;
            drop(lines);
            self.bytes += bytes;
            Ok::<_, std::io::Error>(())
        })();
        written.map_err(|error| {
            self.open = None;
            format!("`{path}` cannot be written ({error})")
        })
    }
}
