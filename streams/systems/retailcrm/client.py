"""Calls to retailCRM."""
