# The server in an image without a shell: the page, then the binary with the page inside, then only what it needs to run.
#
#   docker run -e TRAINYARD_API_KEY=… -p 8080:8080 -v trainyard:/data trainyard
#
# Inside a container the server listens on all interfaces, so it refuses to start without a key and says so.

FROM node:22-bookworm-slim AS web
WORKDIR /web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web ./
RUN npm run build

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# The dependencies in a layer of their own: they change seldom and take most of the time.
COPY Cargo.toml Cargo.lock build.rs ./
COPY benches benches
RUN mkdir src \
 && echo 'fn main() {}' > src/main.rs \
 && touch src/lib.rs \
 && cargo build --profile dist --locked \
 && rm -r src
COPY migrations migrations
COPY src src
COPY --from=web /web/dist web/dist
# The stand-ins above are newer than the sources; touching these makes cargo build the real ones.
RUN touch build.rs src/main.rs src/lib.rs \
 && cargo build --profile dist --locked --features require-web \
 && mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/dist/trainyard /usr/local/bin/trainyard
COPY --from=build --chown=65532:65532 /data /data
ENV TRAINYARD_LISTEN=0.0.0.0:8080 TRAINYARD_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
USER 65532:65532
HEALTHCHECK --interval=15s --timeout=4s --start-period=5s --retries=3 CMD ["/usr/local/bin/trainyard", "health"]
ENTRYPOINT ["/usr/local/bin/trainyard"]
CMD ["serve"]
