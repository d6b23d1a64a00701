#!/bin/sh
# run.sh [SECONDS [OPTIONS OF vidpipe run]]
set -eu
cd "$(dirname "$0")"
seconds=${1:-60}
[ $# -eq 0 ] || shift
mkdir -p output
python -m vidpipe.testing.scene output/street.mp4 --seconds "$seconds" --quiet 0
vidpipe sinks test demo --config horn.yaml --set streams.street.url=output/street.mp4
rm output/horn.txt
vidpipe run demo --config horn.yaml --source street=output/street.mp4 \
    --events output/events.jsonl --report output/report.json "$@"
