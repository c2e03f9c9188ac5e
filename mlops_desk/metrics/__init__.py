"""The laboratory: pure arithmetic that turns sufficient statistics into measurements; no database, file or process."""
