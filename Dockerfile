# One static binary and the public certificate authorities, nothing else: no shell, no package manager, no libc.
# Operator and gateway are subcommands of it.

# Alpine's Rust builds for musl and links statically without further flags, on amd64 and arm64 alike.
# The version is that of rust-toolchain.toml, which stays out of the image: it asks for rustfmt and clippy too.
FROM rust:1.95.0-alpine3.23 AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY webhook-forwarder webhook-forwarder
# Members of the workspace: cargo wants to see them, but compiles neither.
COPY graph-sandbox graph-sandbox
COPY testkit testkit
# What the program says that it was built from.
ARG REVISION=unknown
# The caches keep downloaded and compiled dependencies from one build to the next; they do not become part of a layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    META_CHANNEL_OPERATOR_COMMIT="${REVISION}" cargo build --release --locked --package meta-channel-operator \
 && cp target/release/meta-channel-operator /meta-channel-operator

FROM scratch
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="meta-channel-operator" \
      org.opencontainers.image.description="Keeps messaging channels on Meta's Graph API the way they are declared in Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /meta-channel-operator /meta-channel-operator
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
ENTRYPOINT ["/meta-channel-operator"]
