"""Writes what is in a binary, or in an image of it, as SPDX 2.3 in JSON: run with the Python of hack/python-tools.sh release.

What is in a binary is what cargo links for its target, with licenses and checksums; what only the build runs is marked as such. Tools
for whole repositories list what other platforms and the tests need too, and no two runs of them write the same.
"""

import argparse
import datetime
import hashlib
import json
import pathlib
import re
import subprocess
import tomllib

from license_expression import ExpressionError, get_spdx_licensing
from spdx_tools.spdx.model import (
    Actor,
    ActorType,
    Checksum,
    ChecksumAlgorithm,
    CreationInfo,
    Document,
    ExternalPackageRef,
    ExternalPackageRefCategory,
    Package,
    PackagePurpose,
    Relationship,
    RelationshipType,
    SpdxNoAssertion,
)
from spdx_tools.spdx.writer.json.json_writer import write_document_to_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROJECT = "meta-channel-operator/meta-channel-operator"
LICENSES = get_spdx_licensing()


def license_of(text):
    """A license as a manifest names it; Cargo once allowed a slash for "or"."""
    try:
        return LICENSES.parse(re.sub(r"\s*/\s*", " OR ", text), validate=True)
    except ExpressionError:
        return SpdxNoAssertion()


def package(name, version, purl, license_text, sha256=None, location=None, **more):
    return Package(
        spdx_id="SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", f"{name}-{version}"),
        name=name,
        version=version,
        download_location=location or SpdxNoAssertion(),
        supplier=SpdxNoAssertion(),
        files_analyzed=False,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, sha256)] if sha256 else [],
        license_concluded=SpdxNoAssertion(),
        license_declared=license_of(license_text) if license_text else SpdxNoAssertion(),
        copyright_text=SpdxNoAssertion(),
        external_references=[ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", purl)],
        **more,
    )


def tree(crate, target, edges):
    """What a crate depends on: (name, version, license) of each, and from which to which."""
    command = ["cargo", "tree", "--locked", "--package", crate, "--target", target, "--edges", edges]
    command += ["--prefix", "depth", "--format", "|{p}|{l}|"]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    path, edges_found = [], {}
    for line in output.splitlines():
        depth, described, license_text, _ = line.split("|")
        name, version = described.split()[:2]
        this = (name, version.removeprefix("v"), license_text)
        path[int(depth) :] = [this]
        edges_found.setdefault(this, set())
        if len(path) > 1:
            edges_found[path[-2]].add(this)
    return edges_found


def crates(crate, target):
    """Packages of all crates, the one with the program first, and how they relate."""
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    checksums = {(it["name"], it["version"]): it.get("checksum") for it in locked}

    def described(name, version, license_text):
        checksum = checksums[name, version]
        source = f"https://crates.io/api/v1/crates/{name}/{version}/download" if checksum else None
        purl = f"pkg:cargo/{name}@{version}" if checksum else f"pkg:github/{PROJECT}@v{version}"
        return package(name, version, purl, license_text, checksum, source, primary_package_purpose=PackagePurpose.LIBRARY)

    linked = tree(crate, target, "normal,no-proc-macro")
    packages = {key: described(*key) for key in linked}
    relationships = [
        Relationship(packages[one].spdx_id, RelationshipType.DEPENDS_ON, packages[other].spdx_id)
        for one, others in linked.items()
        for other in sorted(others)
    ]
    root = next(iter(packages.values()))
    for key in sorted(tree(crate, target, "normal,build").keys() - linked.keys()):
        packages[key] = described(*key)
        relationships.append(Relationship(packages[key].spdx_id, RelationshipType.BUILD_DEPENDENCY_OF, root.spdx_id))
    return list(packages.values()), relationships


def toolchain():
    """What the compiler and the linker put into every binary: Rust's standard library and musl."""
    rust = re.search(r"[0-9.]+", subprocess.run(["rustc", "--version"], cwd=ROOT, check=True, capture_output=True, text=True).stdout)[0]
    requirements = (ROOT / "hack/image/requirements.txt").read_text()
    zig, certifi = (re.search(rf"^{name}==(\S+)", requirements, re.MULTILINE)[1] for name in ("ziglang", "certifi"))
    return (
        package("rust-std", rust, f"pkg:generic/rust-std@{rust}", "MIT OR Apache-2.0", location="https://static.rust-lang.org/dist/"),
        package("ziglang", zig, f"pkg:pypi/ziglang@{zig}", "MIT", comment="The linker, and the musl that it links."),
        package("certifi", certifi, f"pkg:pypi/certifi@{certifi}", "MPL-2.0", comment="The certificate authorities that Mozilla trusts."),
    )


def manifest(layout, arch):
    """The digest of an image for one platform in an OCI layout."""
    index = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    platforms = json.loads((layout / "blobs" / index.replace(":", "/")).read_text())["manifests"]
    return next(it["digest"] for it in platforms if it["platform"]["architecture"] == arch).removeprefix("sha256:")


def document(options):
    packages, relationships = crates(options.program, options.target)
    program = packages[0]
    program.primary_package_purpose = PackagePurpose.APPLICATION
    program.file_name = options.program
    program.checksums = [Checksum(ChecksumAlgorithm.SHA256, hashlib.sha256(options.binary.read_bytes()).hexdigest())]
    rust, zig, certifi = toolchain()
    packages += [rust, zig]
    relationships += [Relationship(program.spdx_id, RelationshipType.STATIC_LINK, it.spdx_id) for it in (rust, zig)]
    subject = program
    if options.image:
        digest = manifest(options.image, options.arch)
        purl = f"pkg:oci/{options.program}@sha256:{digest}?arch={options.arch}"
        subject = package(f"{options.program}-image", program.version, purl, "Apache-2.0", digest)
        subject.primary_package_purpose = PackagePurpose.CONTAINER
        packages += [subject, certifi]
        relationships += [Relationship(subject.spdx_id, RelationshipType.CONTAINS, it.spdx_id) for it in (program, certifi)]
    relationships.insert(0, Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, subject.spdx_id))
    name = f"{subject.name}_{program.version}_linux_{options.arch}"
    return Document(
        CreationInfo(
            spdx_version="SPDX-2.3",
            spdx_id="SPDXRef-DOCUMENT",
            name=name,
            # Another name for another content, and the same for the same.
            document_namespace=f"https://github.com/{PROJECT}/spdx/{name}/{subject.checksums[0].value}",
            creators=[Actor(ActorType.ORGANIZATION, "meta-channel-operator"), Actor(ActorType.TOOL, "hack/release/sbom.py")],
            created=datetime.datetime.fromtimestamp(options.created, datetime.UTC).replace(tzinfo=None),
        ),
        packages=packages,
        relationships=relationships,
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--program", required=True, help="crate and program")
    arguments.add_argument("--target", required=True, help="Rust's name of the platform")
    arguments.add_argument("--arch", required=True, help="Go's name of the processor, as in images")
    arguments.add_argument("--binary", required=True, type=pathlib.Path)
    arguments.add_argument("--created", required=True, type=int, help="in seconds since 1970")
    arguments.add_argument("--image", type=pathlib.Path, help="OCI layout; without it, the binary alone is described")
    arguments.add_argument("--out", required=True, help="the file, whose name ends with .spdx.json")
    options = arguments.parse_args()
    # Says what is wrong with a document that is not valid, and writes none.
    write_document_to_file(document(options), options.out)


if __name__ == "__main__":
    main()
