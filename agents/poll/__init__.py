"""poll ─▶ inbound: reads full lists, page by page, as the cursor of each list says."""
