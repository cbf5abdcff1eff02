// Puts static binaries into an OCI image layout, one image for each platform under one index: what the Dockerfile makes, without a
// container engine. The same input always gives the same digests.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Where programs look for the public certificate authorities.
const certificates = "etc/ssl/certs/ca-certificates.crt"

// A number, so that Kubernetes can tell that it is not root.
const user = "65532:65532"

type options struct {
	title, description, version, revision string
	certificates, out                     string
	created                               time.Time
	binaries                              []string
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run() error {
	var o options
	var created int64
	flag.StringVar(&o.title, "title", "", "name of the image and of its program")
	flag.StringVar(&o.description, "description", "", "what it does, in one sentence")
	flag.StringVar(&o.version, "version", "dev", "version")
	flag.StringVar(&o.revision, "revision", "unknown", "commit")
	flag.StringVar(&o.certificates, "certificates", "", "bundle of certificate authorities; none if empty")
	flag.StringVar(&o.out, "out", "", "folder of the layout, which must not exist")
	flag.Int64Var(&created, "created", 0, "time of creation, in seconds since 1970")
	flag.Parse()
	o.created, o.binaries = time.Unix(created, 0).UTC(), flag.Args()
	if o.title == "" || o.out == "" || len(o.binaries) == 0 {
		return errors.New("usage: image --title NAME --out FOLDER [flags] linux/ARCH=BINARY...")
	}
	index, err := o.index()
	if err != nil {
		return err
	}
	_, err = layout.Write(o.out, index)
	return err
}

func (o options) index() (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, binary := range o.binaries {
		platform, file, ok := strings.Cut(binary, "=")
		if !ok {
			return nil, fmt.Errorf("%s is not linux/ARCH=BINARY", binary)
		}
		parsed, err := v1.ParsePlatform(platform)
		if err != nil {
			return nil, err
		}
		image, err := o.image(parsed, file)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: parsed, MediaType: types.OCIManifestSchema1},
		})
	}
	// One entry of the layout, so that a reader finds one image, for several platforms.
	return mutate.AppendManifests(empty.Index, mutate.IndexAddendum{
		Add:        index,
		Descriptor: v1.Descriptor{Annotations: map[string]string{"org.opencontainers.image.ref.name": o.version}},
	}), nil
}

func (o options) image(platform *v1.Platform, binary string) (v1.Image, error) {
	layer, err := o.layer(binary)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: v1.Time{Time: o.created}, CreatedBy: "hack/image"},
	})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
	config.Created = v1.Time{Time: o.created}
	config.Config.User = user
	config.Config.Entrypoint = []string{"/" + o.title}
	config.Config.Labels = map[string]string{
		"org.opencontainers.image.title":       o.title,
		"org.opencontainers.image.description": o.description,
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.version":     o.version,
		"org.opencontainers.image.revision":    o.revision,
	}
	return mutate.ConfigFile(image, config)
}

// One layer with all files: owned by root, so that the user of the image cannot change them.
func (o options) layer(binary string) (v1.Layer, error) {
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	if o.certificates != "" {
		for _, folder := range []string{"etc/", "etc/ssl/", "etc/ssl/certs/"} {
			header := tar.Header{Typeflag: tar.TypeDir, Name: folder, Mode: 0o755, ModTime: o.created}
			if err := archive.WriteHeader(&header); err != nil {
				return nil, err
			}
		}
		if err := o.file(archive, certificates, o.certificates, 0o644); err != nil {
			return nil, err
		}
	}
	if err := o.file(archive, o.title, binary, 0o755); err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buffer.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.BestCompression))
}

func (o options) file(archive *tar.Writer, name, source string, mode int64) error {
	content, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	header := tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content)), ModTime: o.created}
	if err := archive.WriteHeader(&header); err != nil {
		return err
	}
	_, err = archive.Write(content)
	return err
}
