"""Processes that are measured: ours, and bare ones of the same language that do the same job. Each takes one JSON argument."""
