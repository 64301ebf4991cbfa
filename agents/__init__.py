"""The agents, one folder each: declared in `agent.py`, decided without I/O in `decide.py`."""
