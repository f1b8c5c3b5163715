# syntax=docker/dockerfile:1
# One image for every part: `hellosales api`, `worker`, `migrate`, `simulator`.

FROM rust:1.95-bookworm AS build
WORKDIR /src
# The dependencies first, in a layer of their own: it stays until Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY core/Cargo.toml core/Cargo.toml
COPY api/Cargo.toml api/Cargo.toml
COPY worker/Cargo.toml worker/Cargo.toml
COPY simulator/Cargo.toml simulator/Cargo.toml
RUN mkdir -p cli tests core/src api/src worker/src simulator/src \
 && echo 'fn main() {}' | tee cli/main.rs > tests/main.rs \
 && touch core/src/lib.rs api/src/lib.rs worker/src/lib.rs simulator/src/lib.rs \
 && cargo build --release --locked --bin hellosales
COPY . .
# What was copied may be older than what the layer above has built of it.
RUN find cli core api worker simulator -name '*.rs' -exec touch {} + \
 && cargo build --release --locked --bin hellosales

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin hellosales \
 && install -d -o hellosales -g hellosales -m 0711 /data
COPY --from=build /src/target/release/hellosales /usr/local/bin/hellosales
USER hellosales
WORKDIR /data
VOLUME /data
ENTRYPOINT ["hellosales"]
CMD ["--help"]
