# The few commands that matter. `.ci/run` is what CI runs, and nothing different.

# Everything CI checks.
check:
    .ci/run

# The tests alone, on a throwaway Postgres.
test *args:
    cargo run -q -p afterrun-postgres --bin with-postgres -- cargo nextest run --workspace --all-features {{args}}

# Rewrites .sqlx after a change of a query or of the schema.
prepare:
    cargo run -q -p afterrun-postgres --bin with-postgres -- sh -c 'cargo sqlx migrate run && cargo sqlx prepare --workspace -- --workspace --all-targets --all-features'

# The whole tour.
demo:
    ./afterrun demo --once
