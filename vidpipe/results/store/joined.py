"""Asking for events and reviews with what joins them, and what they join: see `results.joins`."""

EVENTS = (
    "SELECT rowid, *, (SELECT json_group_array(other.stream) FROM event AS other "
    "WHERE other.joins = event.id) AS further FROM event"
)
"""`further`: streams of the events that join it."""

_OWN = "own.stream = review.stream AND own.at BETWEEN review.began AND review.ended AND own.review = review.id"
REVIEWS = (
    "SELECT *, (SELECT json_group_array(other.stream) FROM event AS own JOIN event AS other ON other.joins = "
    f"own.id WHERE {_OWN}) AS further, (SELECT CASE WHEN count(alarm.id) = count(*) THEN min(alarm.id) END FROM event "
    f"AS own LEFT JOIN event AS alarm ON alarm.id = own.joins WHERE {_OWN}) AS joins FROM review"
)
"""`further`: as of its events; `joins`: an alarm that all of its events join, if each joins one that is still there."""
