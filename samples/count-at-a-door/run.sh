#!/bin/sh
# run.sh [SECONDS [OPTIONS OF vidpipe run]]
set -eu
cd "$(dirname "$0")"
seconds=${1:-60}
[ $# -eq 0 ] || shift
mkdir -p output
python -m vidpipe.testing.scene output/street.mp4 --seconds "$seconds" --quiet 0
vidpipe check door.yaml --config rules.yaml --source street=output/street.mp4
vidpipe run door.yaml --config rules.yaml --source street=output/street.mp4 \
    --results output/results.jsonl --events output/events.jsonl "$@"
# The same events again, from the results alone; then those of other rules, and what differs.
vidpipe replay door.yaml --config rules.yaml --results output/results.jsonl --events output/again.jsonl
vidpipe replay door.yaml --config stricter.yaml --results output/results.jsonl --against output/events.jsonl
