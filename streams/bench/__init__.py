"""Programs that measure: the load, and the bare programs that ours stand beside."""
