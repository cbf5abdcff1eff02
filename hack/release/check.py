#!/usr/bin/env python3
"""Prints the version that a release of this tree has, and refuses one whose parts disagree.

check.py [--tag vVERSION] [--notes FILE]: the tag, Cargo.toml and the charts must say the same. FILE gets the changelog's section of
the version; a rehearsal, which has no tag, takes what is not released yet if there is none.
"""

import argparse
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = "https://github.com/meta-channel-operator/meta-channel-operator/blob"


def section(changelog, heading):
    """The text below a heading, without it; nothing if there is no such heading."""
    found = re.search(rf"^## \[{re.escape(heading)}\].*?\n(.*?)(?=^## \[|\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found and found[1].strip()


def disagreements(version, tag):
    """What says another version than Cargo.toml, a sentence each."""
    if tag not in (None, f"v{version}"):
        yield f"The tag is {tag}, but Cargo.toml says {version}, whose tag is v{version}."
    for chart in sorted(ROOT.glob("charts/*/Chart.yaml")):
        for field in ("version", "appVersion"):
            said = re.search(rf'^{field}: "?([^"\n]*)"?$', chart.read_text(), re.MULTILINE)
            said = said[1] if said else "nothing"
            if said != version:
                yield f"{chart.relative_to(ROOT)} says {field} {said}, but Cargo.toml says {version}."


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tag")
    arguments.add_argument("--notes", type=pathlib.Path)
    options = arguments.parse_args()

    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    refused = list(disagreements(version, options.tag))
    changelog = (ROOT / "CHANGELOG.md").read_text()
    notes = section(changelog, version)
    if not notes and options.tag:
        refused.append(f"CHANGELOG.md has no section [{version}] with text: rename [Unreleased].")
    if refused:
        sys.exit("\n".join(refused))
    if options.notes:
        notes = notes or section(changelog, "Unreleased") or ""
        # Links to files of the repository lead nowhere from the page of a release.
        options.notes.write_text(re.sub(r"\]\((?![a-z]+:)", f"]({SOURCE}/v{version}/", notes) + "\n")
    print(version)


if __name__ == "__main__":
    main()
