"""The reading and writing of desk.toml: text on one side, nouns of the domain on the other."""
