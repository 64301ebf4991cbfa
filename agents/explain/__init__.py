"""Why a number is what it is: the facts of one SKU ─▶ its story, by the very decisions that made the number."""
