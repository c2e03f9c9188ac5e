"""The loading dock: finds prediction logs, understands their columns, joins labels, and is the only room that speaks to an engine."""
