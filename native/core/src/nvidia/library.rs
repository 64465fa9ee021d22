//! What a shared library (ELF, 64 bits) says about itself: its name, the libraries that it is linked against and those that it opens when
//! used, its version, and the cards that it has code for. Nothing of it is loaded or run; a damaged file gives less or an error.
//!
//! Names of opened libraries stand as strings in the read-only data, or as constants in the code of x86-64, where compilers put strings of
//! up to 16 characters. Code for cards lies in `.nv_fatbin`: containers (magic, u16 version, u16 size of the header, u64 size of what
//! follows) of entries (u16 kind, u16 version, u32 size of the header, u64 padded size of the payload; u32 architecture at byte 28, u64
//! flags at byte 40). Payloads are compressed and not needed. This layout is written down nowhere by NVIDIA; it was read from the files.

use std::collections::BTreeSet;
use std::path::Path;

use memchr::memmem;
use object::read::elf::{Dyn, ElfFile64, FileHeader, SectionHeader};
use object::{Endianness, elf, read};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::store::mapping::map_file;

/// A shared library of Linux.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NvidiaLibrary {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soname: Option<String>,
    /// Names of libraries that it is linked against.
    pub needed: Vec<String>,
    /// Folders where it looks for them; `$ORIGIN` is its own.
    pub runpath: Vec<String>,
    /// Names of NVIDIA's libraries that it opens when it uses them.
    pub opened: Vec<String>,
    /// Compute capabilities that it has code for, as `9.0`, `9.0a` (bound to exactly this one) or `12.0f` (bound to its family).
    pub architectures: Vec<String>,
    /// Whether it has code that drivers compile for other cards.
    pub has_ptx: bool,
    /// Of ONNX Runtime and its providers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Reads a library. `contents`: also what takes a look through the whole file, which are `opened`, `architectures`, `has_ptx`, and the
/// version where it stands only among the strings.
pub fn read_library(path: &Path, contents: bool) -> Result<NvidiaLibrary> {
    let file = map_file(path, Error::Device)?;
    parse(&file, contents).map_err(|error| Error::Device(format!("{} is not a shared library: {error}", path.display())))
}

fn parse(data: &[u8], contents: bool) -> read::Result<NvidiaLibrary> {
    let file = ElfFile64::<Endianness>::parse(data)?;
    let mut library = NvidiaLibrary { version: named_version(&file)?, ..NvidiaLibrary::default() };
    read_links(&file, &mut library)?;
    if contents {
        read_contents(&file, &mut library)?;
    }
    Ok(library)
}

fn read_links(file: &ElfFile64<'_>, library: &mut NvidiaLibrary) -> read::Result<()> {
    let table = file.elf_dynamic_table()?;
    let endian = file.endian();
    for entry in table.dynamics().iter().take_while(|entry| entry.tag(endian) != elf::DT_NULL) {
        let text = || entry.string(endian, *table.strings()).map(text);
        match entry.tag(endian) {
            elf::DT_SONAME => library.soname = Some(text()?),
            elf::DT_NEEDED => library.needed.push(text()?),
            elf::DT_RUNPATH | elf::DT_RPATH => library.runpath.extend(text()?.split(':').map(ToOwned::to_owned)),
            _ => {}
        }
    }
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The version that the library's symbols carry, as `VERS_1.30.0`.
fn named_version(file: &ElfFile64<'_>) -> read::Result<Option<String>> {
    let (sections, endian, data) = (file.elf_section_table(), file.endian(), file.data());
    let Some((definitions, link)) = sections.gnu_verdef(endian, data)? else { return Ok(None) };
    let strings = sections.strings(endian, data, link)?;
    for definition in definitions {
        for name in definition?.1 {
            let name = name?.name(endian, strings)?;
            if let Some(version) = name.strip_prefix(b"VERS_").filter(|version| is_version(version)) {
                return Ok(Some(text(version)));
            }
        }
    }
    Ok(None)
}

fn read_contents(file: &ElfFile64<'_>, library: &mut NvidiaLibrary) -> read::Result<()> {
    let (sections, endian, data) = (file.elf_section_table(), file.endian(), file.data());
    let is_x86 = file.elf_header().e_machine(endian) == elf::EM_X86_64;
    let (mut opened, mut versions, mut code) = (BTreeSet::new(), BTreeSet::new(), FatBinaries::default());
    for section in sections.iter() {
        let bytes = section.data(endian, data)?;
        let flags = section.sh_flags(endian);
        if sections.section_name(endian, section)?.starts_with(b".nv_fatbin") {
            code.read(bytes);
        } else if flags.contains(elf::SHF_EXECINSTR) {
            opened.extend(is_x86.then(|| names_in_code(bytes)).into_iter().flatten());
        } else if section.sh_type(endian) == elf::SHT_PROGBITS && flags.contains(elf::SHF_ALLOC) {
            opened.extend(names_in_data(bytes));
            versions.extend(versions_in_data(bytes));
        }
    }
    library.opened = opened.into_iter().collect();
    library.architectures = code.architectures.iter().map(Architecture::name).collect();
    library.has_ptx = code.has_ptx;
    if library.version.is_none() && versions.len() == 1 {
        library.version = versions.pop_first();
    }
    Ok(())
}

/// Names of NVIDIA's libraries that are whole strings.
fn names_in_data(data: &[u8]) -> impl Iterator<Item = String> {
    strings(data, b"lib").filter(|string| is_library_name(string)).map(text)
}

/// Versions of ONNX Runtime that are whole strings, such as `1.30.0`.
fn versions_in_data(data: &[u8]) -> impl Iterator<Item = String> {
    strings(data, b"1.").filter(|string| is_version(string)).map(text)
}

/// Strings with this beginning.
fn strings<'a>(data: &'a [u8], beginning: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    memmem::find_iter(data, beginning).filter(|&at| at == 0 || data[at - 1] == 0).filter_map(|at| string(&data[at..]))
}

/// Longest name or version that is looked for.
const LONGEST: usize = 64;

/// Up to the zero that ends it.
fn string(data: &[u8]) -> Option<&[u8]> {
    let data = &data[..data.len().min(LONGEST)];
    data.get(..memchr::memchr(0, data)?)
}

/// Longest distance between the two constants that a string is put together from.
const STRING_CODE: usize = 64;

/// Strings of 9 to 16 characters that code writes as two constants of eight, the second over the end of the first.
fn names_in_code(code: &[u8]) -> impl Iterator<Item = String> {
    memmem::find_iter(code, b"lib").filter_map(|at| {
        let head = constant(code, at.checked_sub(2)?)?;
        let behind = at + 8..(at + STRING_CODE).min(code.len());
        behind.filter_map(|next| constant(code, next)).find_map(|tail| {
            let tail = tail.split(|&byte| byte == 0).next()?;
            let shared = (0..=head.len().min(tail.len())).rev().find(|&shared| head.ends_with(&tail[..shared]))?;
            let name = [head, &tail[shared..]].concat();
            is_library_name(&name).then(|| text(&name))
        })
    })
}

/// The operand of `mov r64, imm64` at this place.
fn constant(code: &[u8], at: usize) -> Option<&[u8]> {
    match code.get(at..at.checked_add(10)?)? {
        [0x48 | 0x49, 0xb8..=0xbf, operand @ ..] => Some(operand),
        _ => None,
    }
}

/// `libcudnn.so.9`, `libnvrtc.so`.
fn is_library_name(name: &[u8]) -> bool {
    let Some(dot) = memmem::find(name, b".so") else { return false };
    let (stem, version) = (&name[..dot], &name[dot + 3..]);
    let is_nvidia = stem.starts_with(b"libcu") || stem.starts_with(b"libnv");
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let mut parts = version.split(|&byte| byte == b'.');
    is_nvidia && stem.iter().all(plain) && parts.next().is_some_and(<[u8]>::is_empty) && parts.all(is_number)
}

fn is_version(text: &[u8]) -> bool {
    let parts: Vec<&[u8]> = text.split(|&byte| byte == b'.').collect();
    parts.len() == 3 && parts.iter().all(|part| (1..=4).contains(&part.len()) && part.iter().all(u8::is_ascii_digit))
}

/// Cards that code was compiled for, by compute capability times ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Architecture {
    capability: u32,
    /// `a`: runs on exactly this one; `f`: on those of its family from this one on; else on those of its major from this one on.
    bound: &'static str,
}

impl Architecture {
    fn name(&self) -> String {
        format!("{}.{}{}", self.capability / 10, self.capability % 10, self.bound)
    }
}

#[derive(Default)]
struct FatBinaries {
    architectures: BTreeSet<Architecture>,
    has_ptx: bool,
}

impl FatBinaries {
    const MAGIC: u32 = 0xba55_ed50;
    const ALIGNMENT: usize = 8;
    const PTX: u16 = 1;
    const CUBIN: u16 = 2;
    const ARCHITECTURE_BOUND: u64 = 1 << 20;
    const FAMILY_BOUND: u64 = 1 << 21;

    /// Containers one after the other, with zeros between them.
    fn read(&mut self, section: &[u8]) {
        let mut rest = section;
        while rest.len() >= Self::ALIGNMENT {
            let used = if number(rest, 0, 4) == Some(Self::MAGIC.into()) { self.read_container(rest) } else { None };
            rest = rest.get(used.unwrap_or(Self::ALIGNMENT)..).unwrap_or_default();
        }
    }

    /// Bytes of the container, rounded up to the alignment; none where it goes beyond what is there.
    fn read_container(&mut self, data: &[u8]) -> Option<usize> {
        let (from, size) = (size(data, 6, 2)?, size(data, 8, 8)?);
        let to = from.checked_add(size)?;
        let mut entries = data.get(from..to)?;
        while let Some(used) = self.read_entry(entries) {
            entries = entries.get(used..).unwrap_or_default();
        }
        to.max(Self::ALIGNMENT).checked_next_multiple_of(Self::ALIGNMENT)
    }

    fn read_entry(&mut self, entry: &[u8]) -> Option<usize> {
        let (header, payload) = (size(entry, 4, 4)?, size(entry, 8, 8)?);
        let capability = u32::try_from(number(entry, 28, 4)?).ok()?;
        let flags = number(entry, 40, 8)?;
        match number(entry, 0, 2)? as u16 {
            Self::PTX => self.has_ptx = true,
            Self::CUBIN => {
                let is = |bit: u64| flags & bit != 0;
                let bound = if is(Self::ARCHITECTURE_BOUND) {
                    "a"
                } else if is(Self::FAMILY_BOUND) {
                    "f"
                } else {
                    ""
                };
                self.architectures.insert(Architecture { capability, bound });
            }
            _ => {}
        }
        header.checked_add(payload).filter(|&used| used > 0)
    }
}

/// A little-endian number of `bytes` bytes.
fn number(data: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let mut value = [0; 8];
    value[..bytes].copy_from_slice(data.get(at..at.checked_add(bytes)?)?);
    Some(u64::from_le_bytes(value))
}

fn size(data: &[u8], at: usize, bytes: usize) -> Option<usize> {
    usize::try_from(number(data, at, bytes)?).ok()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use rand_chacha::ChaCha8Rng;
    use rand_core::{RngCore, SeedableRng};

    use super::*;

    /// A container of one entry for each of (kind, architecture, flags).
    fn container(entries: &[(u16, u32, u64)]) -> Vec<u8> {
        let mut payloads = Vec::new();
        for &(kind, architecture, flags) in entries {
            let mut entry = vec![0; 64 + 16];
            entry[0..2].copy_from_slice(&kind.to_le_bytes());
            entry[4..8].copy_from_slice(&64u32.to_le_bytes());
            entry[8..16].copy_from_slice(&16u64.to_le_bytes());
            entry[28..32].copy_from_slice(&architecture.to_le_bytes());
            entry[40..48].copy_from_slice(&flags.to_le_bytes());
            payloads.extend(entry);
        }
        let mut bytes = 0xba55_ed50u32.to_le_bytes().to_vec();
        bytes.extend(1u16.to_le_bytes());
        bytes.extend(16u16.to_le_bytes());
        bytes.extend((payloads.len() as u64).to_le_bytes());
        bytes.extend(payloads);
        bytes
    }

    /// Flags as they are in onnxruntime-gpu 1.30 and cuDNN 9.28.
    fn fat_binaries() -> Vec<u8> {
        let first = container(&[(2, 75, 0x8011), (2, 90, 0x10_8011), (2, 120, 0x110_8011), (2, 120, 0x120_8011)]);
        let second = container(&[(2, 86, 0x8011), (2, 75, 0x8011), (64, 103, 0x8011)]);
        [first, vec![0; 24], second].concat()
    }

    fn compile(source: &str, library: &Path, arguments: &[&str]) -> Option<()> {
        let file = library.with_extension("c");
        std::fs::write(&file, source).unwrap();
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(library).arg(file).args(arguments).status();
        match built {
            Ok(status) => assert!(status.success()),
            Err(error) => {
                eprintln!("skipped: there is no C compiler to build a library with ({error})");
                return None;
            }
        }
        Some(())
    }

    fn provider(folder: &Path) -> Option<PathBuf> {
        let path = |name: &str| folder.join(name);
        let text = |name: &str| path(name).to_str().unwrap().to_owned();
        compile("", &path("libcudart.so.13"), &["-Wl,-soname,libcudart.so.13"])?;
        let bytes: Vec<String> = fat_binaries().iter().map(ToString::to_string).collect();
        // "libcudnn.so.9" in code, as compilers write it.
        let source = format!(
            r#"
            __attribute__((section(".nv_fatbin"))) const unsigned char code[] = {{ {} }};
            const char *version(void) {{ return "1.30.0"; }}
            const char *names[] = {{ "libnvrtc.so.13", "libnvrtc.so.%d", "not libcufft.so.12", "libz.so.1", "12.1.3.4" }};
            void opened(char *name) {{
            #ifdef __x86_64__
              __asm__ volatile("movabsq $0x6e6e64756362696c, %%rax; movq %%rax, (%0); movabsq $0x392e6f732e6e6e64, %%rax; movq %%rax, 5(%0)"
                :: "r"(name) : "rax", "memory");
            #endif
            }}"#,
            bytes.join(",")
        );
        let library = path("libprovider.so");
        let needed = text("libcudart.so.13");
        let runpath = "-Wl,--enable-new-dtags,-rpath,$ORIGIN:$ORIGIN/../lib";
        compile(&source, &library, &["-Wl,-soname,libprovider.so", "-Wl,--no-as-needed", &needed, runpath])?;
        Some(library)
    }

    #[test]
    fn a_library_tells_what_it_needs_opens_and_has_code_for() {
        let folder = tempfile::tempdir().unwrap();
        let Some(path) = provider(folder.path()) else { return };
        let library = read_library(&path, true).unwrap();
        let opened: &[&str] = if cfg!(target_arch = "x86_64") { &["libcudnn.so.9", "libnvrtc.so.13"] } else { &["libnvrtc.so.13"] };
        assert_eq!(library.soname.as_deref(), Some("libprovider.so"));
        assert_eq!(library.needed[0], "libcudart.so.13");
        assert_eq!(library.runpath, ["$ORIGIN", "$ORIGIN/../lib"]);
        assert_eq!(library.opened, opened);
        assert_eq!(library.architectures, ["7.5", "8.6", "9.0a", "12.0a", "12.0f"]);
        assert_eq!((library.has_ptx, library.version.as_deref()), (false, Some("1.30.0")));
        let links = read_library(&path, false).unwrap();
        assert_eq!(links, NvidiaLibrary { soname: library.soname, needed: library.needed, runpath: library.runpath, ..Default::default() });
    }

    #[test]
    fn the_version_of_the_symbols_comes_before_strings() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("versions");
        std::fs::write(&script, "VERS_1.31.1 { global: *; };").unwrap();
        let library = folder.path().join("libonnxruntime.so.1");
        let script = format!("-Wl,--version-script={}", script.display());
        if compile("const char *other(void) { return \"1.30.0\"; }", &library, &[&script]).is_none() {
            return;
        }
        assert_eq!(read_library(&library, false).unwrap().version.as_deref(), Some("1.31.1"));
        assert_eq!(read_library(&library, true).unwrap().version.as_deref(), Some("1.31.1"));
    }

    #[test]
    fn text_for_every_card_is_told_apart_from_code_for_some() {
        let mut code = FatBinaries::default();
        code.read(&container(&[(1, 90, 0x8011)]));
        assert!(code.has_ptx && code.architectures.is_empty());
    }

    #[test]
    fn what_is_not_a_library_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libcudart.so.13");
        std::fs::write(&file, "INPUT(libcudart.so.13.0)").unwrap();
        let error = read_library(&file, true).unwrap_err();
        assert!(error.to_string().starts_with(&format!("device: {} is not a shared library", file.display())), "{error}");
        assert_eq!(read_library(Path::new("/nonexistent"), true), Err(Error::Device("there is no file /nonexistent".into())));
    }

    /// Whatever is damaged, reading ends without a panic.
    #[test]
    fn damaged_libraries_give_less_or_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let Some(path) = provider(folder.path()) else { return };
        let whole = std::fs::read(path).unwrap();
        let mut draws = ChaCha8Rng::seed_from_u64(0);
        let mut below = |limit: usize| draws.next_u64() as usize % limit;
        for round in 0..3000 {
            let mut bytes = whole.clone();
            match round % 3 {
                0 => bytes.truncate(below(whole.len())),
                1 => (0..1 + below(8)).for_each(|_| bytes[below(whole.len())] = below(256) as u8),
                // Numbers of headers and of fat binaries become huge.
                _ => {
                    let at = below(whole.len() - 8);
                    bytes[at..at + 8].fill(0xff);
                }
            }
            let _ = parse(&bytes, true);
            let mut binaries = fat_binaries();
            let at = below(binaries.len() - 8);
            binaries[at..at + 8].fill(below(256) as u8);
            FatBinaries::default().read(&binaries[..below(binaries.len())]);
        }
    }
}
