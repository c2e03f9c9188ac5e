"""MLOps Desk watches machine-learning models in production from an analyst's workstation."""

__version__ = "0.1.0"
