#!/usr/bin/env bash
# The example `checksum` beside `xargs -P2 sha256sum`: milliseconds, three rounds.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --example checksum
checksum=$PWD/target/release/examples/checksum
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir large
for dir in $(seq 100); do
    mkdir -p "small/$dir"
    head -c 400000 /dev/urandom | split -b 400 -a 3 - "small/$dir/"
done
for file in $(seq 60); do head -c 8M /dev/urandom >"large/$file"; done

timed() {
    local start
    start=$(date +%s%N)
    "$@" >/dev/null 2>&1
    echo -n "$((($(date +%s%N) - start) / 1000000)) "
}
for tree in small large; do
    for _ in 1 2 3; do
        for max in 2 4 8 16 32; do
            echo -n "$tree, max $max: "
            timed "$checksum" --max "$max" "$tree"
        done
        for each in 500 1; do
            # A process for each of 100,000 files takes minutes.
            if [ "$tree$each" = small1 ]; then continue; fi
            echo -n "$tree, xargs -n $each: "
            timed sh -c "find $tree -type f -print0 | xargs -0 -P2 -n $each sha256sum"
        done
        echo
    done
done
