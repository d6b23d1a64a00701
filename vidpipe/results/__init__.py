"""What comes out: records of answers, their count, the report, the status of streams, and sinks."""
