"""The archive of a workspace: one SQLite file of evaluations, metric values, alerts, runs and the audit chain."""
