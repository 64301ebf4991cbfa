"""retailCRM's payloads, in its own words."""
