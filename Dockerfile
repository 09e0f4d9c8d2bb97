# One image, one program: ingest, worker, migrate and every other command are its arguments.

FROM rust:1-slim-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked --package afterrun

# All that the program needs to run: itself, the libraries that it names, certificate authorities.
# No shell, no package manager, no user but its own.
RUN mkdir -p /image/etc/ssl/certs \
    && cp target/release/afterrun /image/ \
    && ldd target/release/afterrun | grep -o '/[^ )]*' | xargs cp --parents --dereference --target-directory /image \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && echo 'hosts: files dns' >/image/etc/nsswitch.conf \
    && echo 'afterrun:x:10001:10001::/:/afterrun' >/image/etc/passwd

FROM scratch
COPY --from=build /image /
USER 10001:10001
EXPOSE 8080
# Asks the listener of its own process; docker-compose.yml says which for each service.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["/afterrun", "health"]
ENTRYPOINT ["/afterrun"]
CMD ["--help"]
