#!/bin/sh
# run.sh [OPTIONS OF vidpipe run]
set -eu
cd "$(dirname "$0")"
mkdir -p output
rm -f output/events.txt
vidpipe check own.yaml
vidpipe run own.yaml --results output/results.jsonl --report output/report.json "$@"
