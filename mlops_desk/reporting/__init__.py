"""Press: what the archive holds, as pages about a model, as charts, as reports (HTML, PDF, Markdown, JSON, JUnit), and as tables."""
