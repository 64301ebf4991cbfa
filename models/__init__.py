"""What crosses Kafka: facts, levels, hints, outcomes, rows, their codec and their errors. No I/O, no Faust."""
