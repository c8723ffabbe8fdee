//! A program at a terminal: it believes to be typed to, and what it shows is read back.

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    process::{Child, Command, ExitStatus},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use crate::harness::interrupt;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// How long what is waited for may take. Generous: a debug build on a busy machine.
const SHOWN_MAX: Duration = Duration::from_secs(120);

/// A terminal with a program at it. Dropping it kills the program.
pub struct Terminal {
    typed: File,
    shown: Receiver<Vec<u8>>,
    screen: String,
    child: Child,
}

impl Terminal {
    /// Starts a program at a terminal of its own.
    ///
    /// # Panics
    ///
    /// If there is no terminal to be had.
    pub fn start(command: &mut Command) -> Self {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("its other end can be opened");
        let name = ptsname(&master, Vec::new()).expect("its other end has a name");
        let end = OpenOptions::new().read(true).write(true).open(OsStr::from_bytes(name.as_bytes()));
        let end = end.expect("its other end opens");
        let another = || end.try_clone().expect("a file can be opened twice");
        let child = command.stdin(another()).stdout(another()).stderr(another()).spawn();
        let child = child.expect("the program starts");
        let typed = File::from(master);
        let mut reader = typed.try_clone().expect("a file can be opened twice");
        let (sender, shown) = channel();
        thread::spawn(move || {
            let mut some = [0; 4096];
            // Reading fails once the program has ended.
            while let Ok(count @ 1..) = reader.read(&mut some) {
                if sender.send(some[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { typed, shown, screen: String::new(), child }
    }

    /// Types.
    ///
    /// # Panics
    ///
    /// If nobody can read it.
    pub fn types(&mut self, text: &str) {
        self.typed.write_all(text.as_bytes()).expect("a terminal takes what is typed");
    }

    /// Waits until it shows a text, and forgets all up to there.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn shows(&mut self, text: &str) {
        let deadline = Instant::now() + SHOWN_MAX;
        loop {
            if let Some(at) = self.screen.find(text) {
                self.screen.drain(..at + text.len());
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(some) = self.shown.recv_timeout(left) else {
                panic!("{text:?} is not shown, but {:?}", self.screen)
            };
            self.screen.push_str(&String::from_utf8_lossy(&some));
        }
    }

    /// Sends the program what Ctrl-C sends. Typed, it is a character like any other: the terminal is not the one
    /// that controls the program.
    pub fn ctrl_c(&self) {
        interrupt(&self.child);
    }

    /// Waits until the program has ended.
    ///
    /// # Panics
    ///
    /// If it cannot be waited for.
    pub fn ended(mut self) -> ExitStatus {
        self.child.wait().expect("a child can be waited for")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
