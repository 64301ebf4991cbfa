"""How bytes move: engine, topics, settings, receiver, HTTP, the systems, the broker and the command line."""
