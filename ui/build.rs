//! Hashes the folders `assets` and `vendor` once, so that every address in them can be kept for ever, and compresses
//! each file in the forms browsers take. What it writes is a Rust table that `src/assets.rs` includes; paths in it
//! are put together by the compiler, so that checkouts may share a target directory.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// FNV-1a's start and factor for 64 bits: the address must not depend on the standard library's version.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_FACTOR: u64 = 0x0100_0000_01b3;
/// The most that either compressor can do.
const GZIP_LEVEL: u32 = 9;
const BROTLI_LEVEL: i32 = 11;

fn main() -> Result<(), Box<dyn Error>> {
    let crate_folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");

    let mut hash = FNV_START;
    let mut table = String::new();
    for path in served(&crate_folder)? {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("asset names are UTF-8")?.to_owned();
        let from = path.strip_prefix(&crate_folder)?.to_str().ok_or("asset names are UTF-8")?;
        let content = fs::read(&path)?;
        for byte in name.bytes().chain([0]).chain(content.iter().copied()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(FNV_FACTOR);
        }
        fs::write(out.join(format!("{name}.gz")), gzip(&content)?)?;
        fs::write(out.join(format!("{name}.br")), brotli(&content)?)?;
        let kind = content_type(&name)?;
        writeln!(
            table,
            "    Asset {{ name: {name:?}, content_type: {kind:?}, \
             plain: include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/{from}\")), \
             gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.gz\")), \
             brotli: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.br\")) }},"
        )?;
    }
    let text = format!(
        "/// The folder's address: a hash of all names and contents.\n\
         pub(crate) const FOLDER: &str = \"/assets/{hash:016x}\";\n\
         /// The hash in it.\n\
         const HASH: &str = \"{hash:016x}\";\n\
         static ASSETS: &[Asset] = &[\n{table}];\n"
    );
    fs::write(out.join("assets.rs"), text)?;
    Ok(())
}

/// The folders of what is served, and the file that only tells where the others are from.
const FOLDERS: [&str; 2] = ["assets", "vendor"];
const NOT_SERVED: &str = "README.md";

/// All files that are served. One name stands for one file, whichever folder it is in.
fn served(crate_folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut all: Vec<PathBuf> = Vec::new();
    for folder in FOLDERS {
        println!("cargo::rerun-if-changed={folder}");
        for path in files(&crate_folder.join(folder))? {
            let name = path.file_name();
            if all.iter().any(|other| other.file_name() == name) {
                return Err(format!("{} stands in both folders", path.display()).into());
            }
            if name.is_some_and(|name| name != NOT_SERVED) {
                all.push(path);
            }
        }
    }
    Ok(all)
}

/// The files of a folder by name, so that the hash does not depend on the file system's order.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    files.sort();
    Ok(files)
}

fn gzip(content: &[u8]) -> Result<Vec<u8>, std::io::Error> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
    encoder.write_all(content)?;
    encoder.finish()
}

fn brotli(content: &[u8]) -> Result<Vec<u8>, std::io::Error> {
    let mut out = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: BROTLI_LEVEL, ..Default::default() };
    brotli::BrotliCompress(&mut &content[..], &mut out, &params)?;
    Ok(out)
}

fn content_type(name: &str) -> Result<&'static str, String> {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => Ok("text/css; charset=utf-8"),
        Some("js") => Ok("text/javascript; charset=utf-8"),
        Some("svg") => Ok("image/svg+xml"),
        _ => Err(format!("no content type is known for the asset {name}")),
    }
}
