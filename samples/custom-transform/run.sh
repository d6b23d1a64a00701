#!/bin/sh
# run.sh [SECONDS [OPTIONS OF vidpipe run]]
set -eu
cd "$(dirname "$0")"
seconds=${1:-60}
[ $# -eq 0 ] || shift
mkdir -p output
python -m vidpipe.testing.scene output/street.mp4 --seconds "$seconds"
vidpipe run crossing.yaml --source output/street.mp4 \
    --results output/results.jsonl --report output/report.json --video output/drawn.mp4 "$@"
