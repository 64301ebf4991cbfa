"""What is measured: each module is one job, `run(ground) -> Result`."""
