#!/bin/sh
# run.sh [SECONDS]: the same cascade twice, with an actor for each stage and with all in one
set -eu
cd "$(dirname "$0")"
mkdir -p output
python -m vidpipe.testing.scene output/street.mp4 --seconds "${1:-60}"

run() {
    name=$1
    shift
    vidpipe plan isolated.yaml --source output/street.mp4 --set "name=$name" "$@"
    vidpipe run isolated.yaml --source output/street.mp4 --set "name=$name" "$@" \
        --results "output/$name.jsonl" --report "output/$name.json"
}
run isolated
run fused --set stages.difference.isolate=false --set stages.little.isolate=false --set stages.big.isolate=false
