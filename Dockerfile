# The container image: the program, the few files of the C library that it loads, and a default configuration.
# No shell, no package manager, nothing that writes.
#
#     docker build --tag genkan .
#     docker run --read-only --volume ./tls:/etc/genkan/tls:ro --publish 8443:8443 genkan \
#         run --certificate /etc/genkan/tls --backend http://web:9000 --readiness /healthz

# What builds: Rust 1.95, a C compiler (for aws-lc and mimalloc) and a C library that is not newer than the base's.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-trixie
# Whose C library the image gets.
ARG BASE_IMAGE=docker.io/library/debian:trixie-slim

FROM ${BUILD_IMAGE} AS build
# `release` is built in a third of the time and is less optimised.
ARG PROFILE=dist
# `true` where there is no registry and the crates are mounted at $CARGO_HOME/registry.
ARG CARGO_NET_OFFLINE=false
# aws-lc-sys would link an AWS-LC that it finds on the system, which the final image does not have.
ENV AWS_LC_SYS_USE_SYSTEM=0
WORKDIR /build
COPY . .
RUN cargo build --locked --bin genkan --profile "${PROFILE}" && install -D "target/${PROFILE}/genkan" /out/genkan

FROM ${BASE_IMAGE} AS files
COPY --from=build /out/genkan /image/genkan
COPY LICENSE /image/usr/share/doc/genkan/copyright
COPY config/genkan.yaml /image/etc/genkan/genkan.yaml
# From 2.40 on glibc copies without `rep movsb` on AMD's Zen 3 and later, where that is slow for unlucky alignments
# (glibc bug 30994). It is a third of a large download's CPU time, so an older one is refused here.
RUN set -eu; \
    glibc="$(ldd --version | sed -n '1s/.* //p')"; \
    printf '2.40\n%s\n' "$glibc" | sort --version-sort --check=quiet \
        || { echo "BASE_IMAGE has glibc $glibc, which is slow on AMD (bug 30994); use one with 2.40 or later" >&2; exit 1; }; \
    cd /image; \
    libraries="$(ldd genkan)"; \
    case "$libraries" in *'not found'*) echo "BASE_IMAGE lacks a library: $libraries" >&2; exit 1 ;; esac; \
    echo "$libraries" | grep --only-matching '/[^ ]*' | xargs cp --dereference --parents --target-directory=.; \
    # The C library's licences, and what image scanners read to know its version.
    mkdir -p var/lib/dpkg/status.d tmp; \
    for package in libc6 libgcc-s1; do \
        dpkg-query --status "$package" >"var/lib/dpkg/status.d/$package"; \
        cp --dereference --parents "/usr/share/doc/$package/copyright" .; \
    done; \
    # Files, then DNS: the hosts file and the search domains of resolv.conf both count, so that short names resolve.
    printf 'passwd: files\ngroup: files\nhosts: files dns\n' >etc/nsswitch.conf; \
    printf 'root:x:0:0:root:/:/sbin/nologin\ngenkan:x:65532:65532:genkan:/:/sbin/nologin\n' >etc/passwd; \
    printf 'root:x:0:\ngenkan:x:65532:\n' >etc/group; \
    # Readable whatever umask the sources were checked out with.
    chmod -R u=rwX,go=rX .; \
    chmod 1777 tmp

FROM scratch
LABEL org.opencontainers.image.title="genkan" \
      org.opencontainers.image.description="A TLS-terminating reverse proxy whose certificates, routes and backends change while it serves" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=files /image/ /
# Probes and scrapes come from outside the container, whichever configuration is mounted or whether there is any.
# Like every GENKAN_ variable it beats the file; --admin beats both.
ENV GENKAN_ADMIN="[::]:9900"
# By number, so that Kubernetes can tell that it is not root. All ports are above 1023: no capability is needed.
USER 65532:65532
EXPOSE 8443 8080 9900
STOPSIGNAL SIGTERM
ENTRYPOINT ["/genkan"]
CMD ["run"]
