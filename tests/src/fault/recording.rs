//! A log of `strace`, read into what it says of files, directories and answers.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

/// What the answers of a server begin with.
const ANSWER: &[u8] = b"HTTP/1.1 ";

/// A file or directory as a call names it: by path, or below an open directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The number of the directory that a relative path begins at.
    pub directory: Option<i32>,
    /// The path.
    pub path: PathBuf,
}

/// A call that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A file or directory is open under a number.
    Open {
        /// Which.
        place: Place,
        /// The number.
        fd: i32,
        /// Whether it was made if it was not there.
        create: bool,
        /// Whether it was emptied.
        truncate: bool,
        /// Whether all writes go to its end.
        append: bool,
    },
    /// A number stands for nothing any more.
    Close(i32),
    /// A second number stands for what the first does.
    Duplicate {
        /// The first.
        fd: i32,
        /// The second.
        copy: i32,
    },
    /// The place of the next write without a place of its own.
    Seek {
        /// Of which file.
        fd: i32,
        /// Bytes from its start.
        to: u64,
    },
    /// Bytes were written, here or where the last ones ended.
    Write {
        /// To which file.
        fd: i32,
        /// Bytes from its start, if the call said so.
        at: Option<u64>,
        /// What.
        bytes: Arc<[u8]>,
    },
    /// A file was given a length.
    Length {
        /// Which.
        fd: i32,
        /// In bytes.
        bytes: u64,
        /// Whether it can only grow.
        grow: bool,
    },
    /// What was done before `begun`, a number of steps, is durable.
    Sync {
        /// Of which file or directory.
        fd: i32,
        /// How many steps had ended when the call began.
        begun: usize,
    },
    /// A directory was made.
    MakeDirectory(Place),
    /// An entry of a directory was taken out.
    Remove(Place),
    /// An entry of a directory has another name.
    Rename(Place, Place),
    /// A file is mapped so that it can be changed without a call.
    MapForWriting(i32),
    /// A connection from a local port is open under a number.
    Accept {
        /// The number.
        fd: i32,
        /// The client's port.
        port: u16,
    },
    /// An answer with this status begins to leave.
    Answer {
        /// On which connection.
        fd: i32,
        /// The status of HTTP.
        status: u16,
    },
}

/// Reads a log: all steps in the order in which they ended. Answers and the closing of a number count from when
/// they began.
///
/// # Errors
///
/// If a line is not understood, or is a call that changes files in a way that is not modelled: then nothing can be
/// said about what is durable.
pub fn read(log: &str) -> Result<Vec<Operation>, String> {
    let mut steps = Vec::new();
    // The call that each thread is in: its text so far, and how many steps had ended when it began.
    let mut open: HashMap<&str, (&str, usize)> = HashMap::new();
    for line in log.lines() {
        let (thread, rest) = line.split_once(' ').ok_or_else(|| format!("not a line of strace: {line}"))?;
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        let wrong = |error: String| format!("{error}: {}", &line[..line.len().min(300)]);
        let (text, begun) = if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, end) = resumed.split_once(" resumed>").ok_or_else(|| wrong("no call".into()))?;
            let Some((start, begun)) = open.remove(thread) else { continue };
            (format!("{start}{end}"), begun)
        } else {
            let (start, is_open) = match rest.strip_suffix("<unfinished ...>") {
                Some(start) => (start.trim_end(), true),
                None => (rest, false),
            };
            begin(start, &mut steps).map_err(wrong)?;
            if is_open {
                open.insert(thread, (start, steps.len()));
                continue;
            }
            (start.to_owned(), steps.len())
        };
        end(&text, begun, &mut steps).map_err(wrong)?;
    }
    Ok(steps)
}

/// What counts from the beginning of a call.
fn begin(text: &str, steps: &mut Vec<Operation>) -> Result<(), String> {
    let (name, arguments) = text.split_once('(').ok_or("no call")?;
    match name {
        "close" => {
            let number: String = arguments.chars().take_while(char::is_ascii_digit).collect();
            steps.push(Operation::Close(number.parse().map_err(|_| "no number of a file")?));
        }
        "write" | "writev" | "sendto" => {
            let bytes = first_text(arguments, ANSWER.len() + 3);
            if let Some(status) =
                bytes.strip_prefix(ANSWER).and_then(|status| std::str::from_utf8(status).ok())
            {
                let fd = argument(&split(arguments)?, 0)?;
                steps.push(Operation::Answer { fd, status: status.parse().map_err(|_| "no status")? });
            }
        }
        _ => {}
    }
    Ok(())
}

/// What counts from the end of a call.
fn end(text: &str, begun: usize, steps: &mut Vec<Operation>) -> Result<(), String> {
    let (name, rest) = text.split_once('(').ok_or("no call")?;
    if matches!(name, "close" | "sendto" | "sendmsg") {
        return Ok(());
    }
    let (arguments, result) = rest.rsplit_once(" = ").ok_or("no result")?;
    let arguments = arguments.trim_end().strip_suffix(')').ok_or("no end of the arguments")?;
    let word = result.split_whitespace().next().unwrap_or_default();
    // A thread that was killed in the call, or an error: nothing was done.
    if word == "?" || word.starts_with('-') {
        return Ok(());
    }
    let result: u64 = match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => word.parse(),
    }
    .map_err(|_| "no result")?;
    let fd = i32::try_from(result).unwrap_or(-1);
    let all = split(arguments)?;
    let step = match name {
        "open" => opened(place_of(None, all.first().copied())?, all.get(1).copied(), fd),
        "openat" => opened(place(&all, 0)?, all.get(2).copied(), fd),
        "write" => written(argument(&all, 0)?, None, bytes(all.get(1).copied())?, result),
        "pwrite64" => {
            written(argument(&all, 0)?, Some(argument(&all, 3)?), bytes(all.get(1).copied())?, result)
        }
        "writev" => written(argument(&all, 0)?, None, vectors(all.get(1).copied())?, result),
        "fsync" | "fdatasync" => Operation::Sync { fd: argument(&all, 0)?, begun },
        "ftruncate" => Operation::Length { fd: argument(&all, 0)?, bytes: argument(&all, 1)?, grow: false },
        "fallocate" if all.get(1) == Some(&"0") => {
            let bytes = argument::<u64>(&all, 2)? + argument::<u64>(&all, 3)?;
            Operation::Length { fd: argument(&all, 0)?, bytes, grow: true }
        }
        "lseek" => Operation::Seek { fd: argument(&all, 0)?, to: result },
        "mkdir" => Operation::MakeDirectory(place_of(None, all.first().copied())?),
        "mkdirat" => Operation::MakeDirectory(place(&all, 0)?),
        "unlink" | "rmdir" => Operation::Remove(place_of(None, all.first().copied())?),
        "unlinkat" => Operation::Remove(place(&all, 0)?),
        "rename" => {
            Operation::Rename(place_of(None, all.first().copied())?, place_of(None, all.get(1).copied())?)
        }
        "renameat" | "renameat2" => Operation::Rename(place(&all, 0)?, place(&all, 2)?),
        "dup" | "dup2" | "dup3" => Operation::Duplicate { fd: argument(&all, 0)?, copy: fd },
        "fcntl" if all.get(1).is_some_and(|what| what.starts_with("F_DUPFD")) => {
            Operation::Duplicate { fd: argument(&all, 0)?, copy: fd }
        }
        "fcntl" => return Ok(()),
        "mmap" => {
            let flag = |index: usize, flag: &str| all.get(index).is_some_and(|flags| flags.contains(flag));
            match argument(&all, 4)? {
                fd if fd >= 0 && flag(2, "PROT_WRITE") && flag(3, "MAP_SHARED") => {
                    Operation::MapForWriting(fd)
                }
                _ => return Ok(()),
            }
        }
        "accept4" => {
            let port = all.get(1).and_then(|address| address.split_once("htons(")?.1.split_once(')'));
            let port = port.and_then(|(port, _)| port.parse().ok()).ok_or("no port")?;
            Operation::Accept { fd, port }
        }
        other => return Err(format!("{other} is not modelled")),
    };
    steps.push(step);
    Ok(())
}

fn opened(place: Place, flags: Option<&str>, fd: i32) -> Operation {
    let has = |flag: &str| flags.unwrap_or_default().split('|').any(|word| word == flag);
    Operation::Open { place, fd, create: has("O_CREAT"), truncate: has("O_TRUNC"), append: has("O_APPEND") }
}

/// A write of which `length` bytes were taken.
fn written(fd: i32, at: Option<u64>, mut bytes: Vec<u8>, length: u64) -> Operation {
    bytes.truncate(length as usize);
    Operation::Write { fd, at, bytes: bytes.into() }
}

fn argument<T: std::str::FromStr>(all: &[&str], index: usize) -> Result<T, String> {
    let text = all.get(index).copied().unwrap_or_default();
    text.parse().map_err(|_| format!("argument {index} is no number: {text}"))
}

/// The place that arguments `first` and the one after it name.
fn place(all: &[&str], first: usize) -> Result<Place, String> {
    place_of(all.get(first).copied(), all.get(first + 1).copied())
}

fn place_of(directory: Option<&str>, path: Option<&str>) -> Result<Place, String> {
    use std::os::unix::ffi::OsStringExt;
    let path = PathBuf::from(std::ffi::OsString::from_vec(bytes(path)?));
    Ok(Place { directory: directory.and_then(|number| number.parse().ok()), path })
}

/// The arguments of a call, as they stand.
fn split(arguments: &str) -> Result<Vec<&str>, String> {
    let (mut all, mut depth, mut start, mut quoted) = (Vec::new(), 0_usize, 0, false);
    for (at, byte) in arguments.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                all.push(arguments[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    all.push(arguments[start..].trim());
    Ok(all)
}

/// The bytes of a quoted argument, every one of them written as `\x2f`.
fn bytes(argument: Option<&str>) -> Result<Vec<u8>, String> {
    let text = argument.ok_or("an argument is missing")?;
    let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let inside = inside.ok_or_else(|| format!("not a whole text: {}", &text[..text.len().min(40)]))?;
    if inside.len() % 4 != 0 {
        return Err("a text that is not in hexadecimal".to_owned());
    }
    Ok(inside.as_bytes().chunks_exact(4).map(|digits| digit(digits[2]) << 4 | digit(digits[3])).collect())
}

fn digit(character: u8) -> u8 {
    match character {
        b'0'..=b'9' => character - b'0',
        _ => (character | 0x20).wrapping_sub(b'a').wrapping_add(10) & 0xf,
    }
}

/// The first bytes of the first quoted text, as far as they are there.
fn first_text(arguments: &str, length: usize) -> Vec<u8> {
    let inside = arguments.split_once('"').map_or("", |(_, inside)| inside);
    let end = inside.bytes().take(length * 4).position(|byte| byte == b'"').unwrap_or(length * 4);
    let end = end.min(inside.len()) / 4 * 4;
    inside.as_bytes()[..end].chunks_exact(4).map(|digits| digit(digits[2]) << 4 | digit(digits[3])).collect()
}

/// The bytes of all parts of a `writev`.
fn vectors(argument: Option<&str>) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    for part in argument.ok_or("no parts")?.split("iov_base=").skip(1) {
        let end = part.rfind('"').ok_or("a part without text")?;
        all.extend(bytes(Some(&part[..=end]))?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::{Operation, Place, read};

    fn check(log: &str, expected: &[Operation]) {
        assert_eq!(read(log).as_deref(), Ok(expected), "{log}");
    }

    fn place(path: &str) -> Place {
        Place { directory: None, path: path.into() }
    }

    #[test]
    fn lines() {
        check(
            "7 openat(AT_FDCWD, \"\\x2f\\x61\", O_RDWR|O_CREAT|O_CLOEXEC, 0666) = 12\n\
             7 write(12, \"\\x68\\x69\\x21\", 3) = 2\n\
             7 pwrite64(12, \"\\x00\", 1, 4095)     = 1\n\
             7 fsync(12)                         = 0\n\
             7 +++ exited with 0 +++\n",
            &[
                Operation::Open { place: place("/a"), fd: 12, create: true, truncate: false, append: false },
                Operation::Write { fd: 12, at: None, bytes: b"hi"[..].into() },
                Operation::Write { fd: 12, at: Some(4095), bytes: b"\0"[..].into() },
                Operation::Sync { fd: 12, begun: 3 },
            ],
        );
        check("7 unlink(\"\\x2f\\x61\") = -1 ENOENT (No such file or directory)\n", &[]);
        check(
            "7 unlinkat(5, \"\\x61\", 0) = 0\n",
            &[Operation::Remove(Place { directory: Some(5), path: "a".into() })],
        );
        assert!(read("7 link(\"\\x61\", \"\\x62\") = 0\n").is_err(), "a call that is not modelled");
        assert!(read("7 write(12, \"\\x68\"..., 9) = 9\n").is_err(), "a text that was cut");
    }

    #[test]
    fn a_sync_covers_what_ended_before_it_began() {
        check(
            "7 fdatasync(3 <unfinished ...>\n\
             8 write(3, \"\\x61\", 1) = 1\n\
             7 <... fdatasync resumed>)          = 0\n",
            &[
                Operation::Write { fd: 3, at: None, bytes: b"a"[..].into() },
                Operation::Sync { fd: 3, begun: 0 },
            ],
        );
    }

    #[test]
    fn an_answer_and_a_close_count_from_their_beginning() {
        let answer = b"HTTP/1.1 200 OK".iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        check(
            &format!(
                "7 writev(9, [{{iov_base=\"{answer}\", iov_len=15}}, {{iov_base=\"\\x7b\", iov_len=1}}], 2 <unfinished ...>\n\
                 8 close(4 <unfinished ...>\n\
                 9 openat(AT_FDCWD, \"\\x61\", O_RDONLY) = 4\n\
                 8 <... close resumed>) = 0\n"
            ),
            &[
                Operation::Answer { fd: 9, status: 200 },
                Operation::Close(4),
                Operation::Open { place: place("a"), fd: 4, create: false, truncate: false, append: false },
            ],
        );
        check(
            "7 accept4(9,  <unfinished ...>\n\
             7 <... accept4 resumed>{sa_family=AF_INET, sin_port=htons(57728), sin_addr=inet_addr(\"\\x31\")}, [128 => 16], SOCK_CLOEXEC) = 22\n",
            &[Operation::Accept { fd: 22, port: 57728 }],
        );
    }
}
