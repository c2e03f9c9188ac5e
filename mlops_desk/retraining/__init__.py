"""The workshop: whether a model may be retrained now, the process that does it, and what is known about each run."""
