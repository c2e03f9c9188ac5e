"""Press: what the archive holds, as pages about a model, as charts, as one HTML file, as JSON, and as tables."""
