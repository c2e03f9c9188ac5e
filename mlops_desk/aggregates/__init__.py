"""The counting room: mergeable sufficient statistics of slices of a log, and the scan that makes them.

Nothing here imports scan: the states are plain numbers that the laboratory may use without an engine.
"""
