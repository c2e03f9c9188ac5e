"""The archive of a workspace: one SQLite file of evaluations, metric values, alerts and the audit chain."""
