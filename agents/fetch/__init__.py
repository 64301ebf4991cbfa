"""hint ─▶ inbound: reads single items when something says that they may have changed."""
