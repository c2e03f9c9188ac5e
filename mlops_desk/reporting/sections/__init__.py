"""The sections of a report, each a function from a model's content to a card, and which of them each role is shown."""
