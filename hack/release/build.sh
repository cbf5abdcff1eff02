#!/usr/bin/env bash
# Lays out what a release publishes: hack/release/build.sh DIRECTORY IMAGES HELM
# DIRECTORY gets archives of the programs, images, charts, what is in each of them, checksums, and the notes. IMAGES is what
# hack/image/build.sh wrote, HELM is Helm 4. TAG=vVERSION is the tag of the release; without it, this is a rehearsal.
# The same commit and programs give the same files.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$1 images=$2 helm=$3
. hack/image/facts.sh

if [[ ${TAG-} && $revision == *-dirty ]]; then
  echo "The work tree has changes that are not committed: a release is made of a commit." >&2
  exit 1
fi
rm -rf "${out:?}"
mkdir -p "$out"
hack/release/check.py ${TAG:+--tag "$TAG"} --notes "$out/NOTES.md" >/dev/null
python=$(hack/python-tools.sh release)/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# pack ARCHIVE FOLDER ENTRY...: nothing in an archive depends on when, where and by whom it was made.
pack() {
  local archive=$1 folder=$2
  shift 2
  tar --create --file "$archive" --directory "$folder" --format=ustar --sort=name \
    --mtime="@$created" --owner=0 --group=0 --numeric-owner --mode='u=rwX,go=rX' "$@"
}

# sbom FILE PROGRAM PLATFORM [--image LAYOUT]
sbom() {
  local file=$1 program=$2 platform=$3 triple=${triples[$3]}
  shift 3
  "$python" hack/release/sbom.py --program "$program" --target "$triple" --arch "$platform" --created "$created" \
    --binary "target/$triple/release/$program" --out "$file" "$@"
}

for program in "${programs[@]}"; do
  for platform in $platforms; do
    name=${program}_${version}_linux_$platform
    mkdir "$work/$name"
    cp "target/${triples[$platform]}/release/$program" LICENSE README.md "$work/$name"
    pack "$work/$name.tar" "$work" "$name"
    gzip --best --no-name <"$work/$name.tar" >"$out/$name.tar.gz"
    sbom "$out/$name.spdx.json" "$program" "$platform"
    sbom "$out/${program}-image_${version}_linux_$platform.spdx.json" "$program" "$platform" --image "$images/$program"
  done
  pack "$out/${program}-image_$version.oci.tar" "$images/$program" blobs index.json oci-layout
done

# Helm keeps the times of the files.
cp -r charts "$work/charts"
find "$work/charts" -exec touch --date="@$created" {} +
for chart in "$work"/charts/*; do
  "$helm" package "$chart" --destination "$out" >/dev/null
done

(cd "$out" && LC_ALL=C && sha256sum -- *.gz *.tar *.tgz *.json >SHA256SUMS)
echo "$out: $(wc -l <"$out/SHA256SUMS") files of $version, $(du -sh "$out" | cut -f1)"
