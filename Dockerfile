# The shop as an image: one program on a system without a shell and without root.
# docs/DEPLOY.md says how to run it. It has no PostgreSQL of its own, so it needs a DATABASE_URL.
#
#   docker build -t doorbuster .

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
# The toolchain and the runner of tasks, which change less often than the sources.
COPY makew Makefile.toml rust-toolchain.toml ./
RUN ./makew
COPY . .
# target is not a part of the image: the next build continues where this one ended.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    ./makew build && \
    cp target/release/doorbuster /usr/local/bin/doorbuster
# Copied with its owner: the volume that is mounted there gets the same owner.
RUN mkdir /state

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /usr/local/bin/doorbuster /usr/local/bin/doorbuster
COPY --from=build --chown=nonroot:nonroot /state /var/lib/doorbuster
ENV DOORBUSTER_ADDR=0.0.0.0:3000 \
    DOORBUSTER_DATA=/var/lib/doorbuster
WORKDIR /var/lib/doorbuster
VOLUME /var/lib/doorbuster
EXPOSE 3000
USER nonroot
ENTRYPOINT ["/usr/local/bin/doorbuster"]
CMD ["serve"]
