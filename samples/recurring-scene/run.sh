#!/bin/sh
# run.sh [SECONDS [OPTIONS OF vidpipe run]]
set -eu
cd "$(dirname "$0")"
seconds=${1:-15}
[ $# -eq 0 ] || shift
mkdir -p output
python -m vidpipe.testing.scene output/once.mp4 --seconds "$seconds"
python repeat.py output/once.mp4 4 output/street.mp4
vidpipe run recurring.yaml --source output/street.mp4 \
    --results output/results.jsonl --report output/report.json "$@"
