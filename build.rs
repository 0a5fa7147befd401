//! Embeds every asset into the binary, plain and compressed with brotli, so that the release binary
//! runs alone in any folder.
//!
//! Writes `assets.rs` into `OUT_DIR`: a table of paths, content types and bytes, and a release name
//! that changes with any of them.

use std::{
    collections::BTreeMap,
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    path::{Path, PathBuf},
};

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd, html};

/// The output of wasm-bindgen. If it is missing, the pages work as they do without JavaScript.
const PKG: &str = "target/site/pkg";

/// Takes the key and the line from the rows of the registry.
macro_rules! strategies {
    ($($(#[$about:meta])* $variant:ident {
        key: $key:literal,
        colour: $colour:literal,
        colour_dark: $colour_dark:literal,
        dash: $dash:literal,
        $($rest:tt)*
    })*) => {
        pub const STRATEGIES: &[crate::line_style::KeyedLine] = &[$((
            $key,
            crate::line_style::LineStyle {
                colour: $colour,
                colour_dark: $colour_dark,
                dash: $dash,
            },
        )),*];
    };
}

#[expect(
    dead_code,
    reason = "only the program draws pictures with fixed colours"
)]
#[path = "src/model/strategy/line_style.rs"]
mod line_style;

#[path = "src/model/strategy/registry.rs"]
mod registry;

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/model/strategy/line_style.rs");
    println!("cargo:rerun-if-changed=src/model/strategy/registry.rs");
    if env::var_os("CARGO_FEATURE_SSR").is_none() {
        return Ok(());
    }
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let mut files = BTreeMap::new();
    for (folder, prefix) in [("public", ""), (PKG, "pkg/")] {
        let folder = root.join(folder);
        println!("cargo:rerun-if-changed={}", folder.display());
        collect(&folder, prefix, &mut files)?;
    }
    let style = root.join("style");
    println!("cargo:rerun-if-changed={}", style.display());
    let mut css = stylesheet(&style)?;
    css.extend(line_style::themed_rules(registry::STRATEGIES).into_bytes());
    files.insert("doorbuster.css".to_owned(), css);
    write_strategy_files(&root, &out)?;
    write_incident_guide(&root, &out)?;
    write_table(&out, &files)
}

/// Writes `strategy_files.rs`: the source of each strategy and the statements that its test has
/// recorded. A file that does not exist yet is empty here, so that the crate compiles before the
/// test has run for the first time.
fn write_strategy_files(root: &Path, out: &Path) -> io::Result<()> {
    let mut rows = String::new();
    for (key, ..) in registry::STRATEGIES {
        let source = format!("src/shop/inventory/strategies/{}.rs", key.replace('-', "_"));
        let statements = format!("tests/inventory/snapshots/{key}.sql");
        let text_of = |file: &str| {
            let path = root.join(file);
            println!("cargo:rerun-if-changed={}", path.display());
            if path.exists() {
                format!("include_str!({path:?})")
            } else {
                "\"\"".to_owned()
            }
        };
        rows.push_str(&format!(
            "    {key:?} => ({source:?}, {}, {}),\n",
            text_of(&source),
            text_of(&statements)
        ));
    }
    let source = format!(
        "/// Path and text of a strategy's source, and its recorded statements.\n\
         fn files_of(key: &str) -> (&'static str, &'static str, &'static str) {{\n\
         match key {{\n{rows}    _ => (\"\", \"\", \"\"),\n}}\n}}\n"
    );
    fs::write(out.join("strategy_files.rs"), source)
}

/// Writes `incidents.html`, the incident guide as a part of a page, which has a title of its own.
/// Each heading gets the anchor that GitHub gives it.
fn write_incident_guide(root: &Path, out: &Path) -> io::Result<()> {
    let path = root.join("docs/INCIDENTS.md");
    println!("cargo:rerun-if-changed={}", path.display());
    let text = fs::read_to_string(path)?;
    let mut events: Vec<Event> = Parser::new(&text).collect();
    let title = |event: &Event| matches!(event, Event::End(TagEnd::Heading(HeadingLevel::H1)));
    if let Some(end) = events.iter().position(title) {
        events.drain(..=end);
    }
    let mut heading = None;
    for index in 0..events.len() {
        match &events[index] {
            Event::Start(Tag::Heading { .. }) => heading = Some((index, String::new())),
            Event::Text(text) | Event::Code(text) => {
                if let Some((_, anchor)) = &mut heading {
                    anchor.push_str(text);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                if let Some((start, text)) = heading.take()
                    && let Event::Start(Tag::Heading { id, .. }) = &mut events[start]
                {
                    *id = Some(anchor_of(&text).into());
                }
            }
            _ => {}
        }
    }
    let mut page = String::new();
    html::push_html(&mut page, events.into_iter());
    fs::write(out.join("incidents.html"), page)
}

fn anchor_of(heading: &str) -> String {
    let letters = heading.to_lowercase();
    let letters = letters.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        letter if letter.is_alphanumeric() || letter == '-' => Some(letter),
        _ => None,
    });
    letters.collect()
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// Joins all files of `style/` in the order of their names, so that a page needs one request and
/// the names define the cascade.
fn stylesheet(folder: &Path) -> io::Result<Vec<u8>> {
    let mut sheets = BTreeMap::new();
    collect(folder, "", &mut sheets)?;
    Ok(sheets.into_values().collect::<Vec<_>>().join(&b'\n'))
}

fn write_table(out: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    let folder = out.join("assets");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut release = DefaultHasher::new();
    let mut table = String::new();
    for (index, (path, bytes)) in files.iter().enumerate() {
        (path, bytes).hash(&mut release);
        let plain = folder.join(format!("{index}"));
        fs::write(&plain, bytes)?;
        let compressed = compress(bytes)?;
        let brotli = if compressed.len() < bytes.len() {
            let file = folder.join(format!("{index}.br"));
            fs::write(&file, compressed)?;
            format!("Some(include_bytes!({file:?}))")
        } else {
            "None".to_owned()
        };
        let content_type = content_type(path);
        table.push_str(&format!(
            "    Asset {{ path: {path:?}, content_type: {content_type:?}, plain: include_bytes!({plain:?}), brotli: {brotli} }},\n"
        ));
    }
    let release = format!("{:016x}", release.finish());
    let source = format!(
        "/// Changes with any byte of any asset.\n\
         pub const RELEASE: &str = \"{release}\";\n\
         const ETAG: &str = \"\\\"{release}\\\"\";\n\n\
         /// Every asset, sorted by path.\n\
         pub static ASSETS: &[Asset] = &[\n{table}];\n"
    );
    fs::write(out.join("assets.rs"), source)
}

fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressed = Vec::new();
    // Quality 11, window 22: brotli's maximum quality and its default window.
    let mut writer = brotli::CompressorWriter::new(&mut compressed, 4096, 11, 22);
    writer.write_all(bytes)?;
    drop(writer);
    Ok(compressed)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("wasm") => "application/wasm",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
