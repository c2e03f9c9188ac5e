"""The command line: everything headless. Nothing heavy is imported before the command is known."""
