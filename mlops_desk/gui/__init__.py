"""The desktop window: shows what the workspace knows and passes on what the operator wants. The only room with Qt."""
