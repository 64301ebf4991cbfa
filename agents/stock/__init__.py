"""From what happened to stock to what each channel should show: `fact.stock.v1` to `level.<connection>.v1`."""
