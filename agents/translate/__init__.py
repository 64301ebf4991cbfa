"""inbound → facts and hints: what a system said, with our SKU, our place and our clock."""
