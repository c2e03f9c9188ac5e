"""The nouns of MLOps Desk: frozen values of the standard library only, which every other room may import."""
