"""The control room: evaluates what is new, judges it against thresholds, and keeps the alerts."""
