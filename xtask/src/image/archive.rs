//! An image as an archive of an OCI image layout, which container engines import.
//!
//! The formats are those of the OCI image specification 1.1 (`image-layout.md`, `manifest.md`, `config.md`).

use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result};
use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor, DescriptorBuilder, ImageConfigurationBuilder, ImageIndexBuilder,
    ImageManifestBuilder, MediaType, OciLayoutBuilder, Os, PlatformBuilder, RootFsBuilder, SCHEMA_VERSION,
    Sha256Digest,
};
use serde::Serialize;
use tar::EntryType;

use super::program::Architecture;
use super::{layer, layer::Layer};

/// The annotation by which containerd names what it imports.
const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The specification's own annotation for the same: the tag alone.
const REFERENCE_NAME: &str = "org.opencontainers.image.ref.name";

/// An image of one static program.
pub struct Image<'a> {
    /// Its whole name with the tag: `docker.io/library/weir:0.1.0`.
    pub name: String,
    /// The processors that the program is for.
    pub architecture: Architecture,
    /// The program, which becomes the entry point.
    pub program: &'a Path,
    /// Arguments for when a container names none.
    pub arguments: &'a [&'a str],
}

impl Image<'_> {
    /// Writes the archive. The same program gives the same bytes.
    pub fn write(&self, file: &Path) -> Result<()> {
        let program = self.program.file_name().and_then(|name| name.to_str()).context("the program has no name")?;
        let layer = layer::of(self.program, program)?;
        let config = json(&self.config(program, &layer)?)?;
        let manifest = ImageManifestBuilder::default()
            .schema_version(SCHEMA_VERSION)
            .media_type(MediaType::ImageManifest)
            .config(descriptor(MediaType::ImageConfig, &config)?)
            .layers(vec![descriptor(MediaType::ImageLayerGzip, &layer.bytes)?])
            .build()?;
        let manifest = json(&manifest)?;
        let mut blobs = [config, manifest.clone(), layer.bytes].map(|blob| (layer::digest(&blob), blob));
        blobs.sort();

        let mut archive = tar::Builder::new(Vec::new());
        for folder in ["blobs/", "blobs/sha256/"] {
            layer::append(&mut archive, EntryType::Directory, 0o755, folder, &[])?;
        }
        for (digest, blob) in &blobs {
            layer::append(&mut archive, EntryType::Regular, 0o644, &format!("blobs/sha256/{digest}"), blob)?;
        }
        let layout = OciLayoutBuilder::default().image_layout_version("1.0.0".to_owned()).build()?;
        append_json(&mut archive, "index.json", &self.index(&manifest)?)?;
        append_json(&mut archive, "oci-layout", &layout)?;
        std::fs::write(file, archive.into_inner()?)?;
        Ok(())
    }

    fn config(&self, program: &str, layer: &Layer) -> Result<impl Serialize> {
        let process = ConfigBuilder::default()
            .entrypoint(vec![format!("/{program}")])
            .cmd(self.arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>())
            .working_dir("/".to_owned())
            .build()?;
        let root = RootFsBuilder::default()
            .typ("layers".to_owned())
            .diff_ids(vec![format!("sha256:{}", layer.uncompressed_digest)])
            .build()?;
        Ok(ImageConfigurationBuilder::default()
            .architecture(self.platform())
            .os(Os::Linux)
            .config(process)
            .rootfs(root)
            .history(Vec::new())
            .build()?)
    }

    fn index(&self, manifest: &[u8]) -> Result<impl Serialize> {
        let mut entry = descriptor(MediaType::ImageManifest, manifest)?;
        entry.set_platform(Some(PlatformBuilder::default().architecture(self.platform()).os(Os::Linux).build()?));
        let tag = self.name.rsplit(':').next().unwrap_or_default();
        let names = [(CONTAINERD_NAME, self.name.as_str()), (REFERENCE_NAME, tag)];
        entry.set_annotations(Some(names.map(|(key, value)| (key.to_owned(), value.to_owned())).into()));
        Ok(ImageIndexBuilder::default()
            .schema_version(SCHEMA_VERSION)
            .media_type(MediaType::ImageIndex)
            .manifests(vec![entry])
            .build()?)
    }

    fn platform(&self) -> Arch {
        match self.architecture {
            Architecture::Amd64 => Arch::Amd64,
            Architecture::Arm64 => Arch::ARM64,
        }
    }
}

fn descriptor(kind: MediaType, blob: &[u8]) -> Result<Descriptor> {
    Ok(DescriptorBuilder::default()
        .media_type(kind)
        .digest(Sha256Digest::from_str(&layer::digest(blob))?)
        .size(u64::try_from(blob.len())?)
        .build()?)
}

fn append_json(archive: &mut tar::Builder<Vec<u8>>, path: &str, value: &impl Serialize) -> Result<()> {
    layer::append(archive, EntryType::Regular, 0o644, path, &json(value)?)
}

/// JSON with sorted keys: annotations have no order of their own.
fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(&serde_json::to_value(value)?)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;
    use std::path::Path;

    use flate2::read::GzDecoder;
    use serde_json::Value;

    use super::super::layer::digest;
    use super::{Architecture, Image};

    fn image(program: &Path) -> Image<'_> {
        Image {
            name: "example.org/weir:1.2".to_owned(),
            architecture: Architecture::Amd64,
            program,
            arguments: &["status"],
        }
    }

    fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(archive).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), content);
        }
        files
    }

    #[test]
    fn from_the_index_to_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let (program, file) = (folder.path().join("weir"), folder.path().join("image.tar"));
        std::fs::write(&program, "a program").unwrap();
        image(&program).write(&file).unwrap();
        let files = files(&std::fs::read(&file).unwrap());
        let blob = |of: &Value| {
            let name = of["digest"].as_str().unwrap().replace(':', "/");
            let blob = &files[&format!("blobs/{name}")];
            assert_eq!(name, format!("sha256/{}", digest(blob)));
            assert_eq!(of["size"].as_u64(), Some(blob.len() as u64));
            blob
        };
        let parsed = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        let index = parsed(&files["index.json"]);
        assert_eq!(index["manifests"][0]["annotations"]["io.containerd.image.name"], "example.org/weir:1.2");
        let manifest = parsed(blob(&index["manifests"][0]));
        let config = parsed(blob(&manifest["config"]));
        assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/weir"]));
        assert_eq!(config["config"]["Cmd"], serde_json::json!(["status"]));
        assert_eq!((config["os"].as_str(), config["architecture"].as_str()), (Some("linux"), Some("amd64")));
        let mut layer = Vec::new();
        GzDecoder::new(blob(&manifest["layers"][0]).as_slice()).read_to_end(&mut layer).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", digest(&layer)));
        assert_eq!(super::super::archive::tests::files(&layer)["weir"], b"a program");
    }

    #[test]
    fn the_same_program_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("weir");
        std::fs::write(&program, "a program").unwrap();
        let bytes = ["one", "two"].map(|name| {
            let file = folder.path().join(name);
            image(&program).write(&file).unwrap();
            std::fs::read(&file).unwrap()
        });
        assert_eq!(bytes[0], bytes[1]);
    }
}
