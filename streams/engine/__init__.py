"""The engine: what lies between Kafka and an agent's decision. Topics ─▶ agents ─▶ topics, nothing lost, nothing frozen.

Read in this order: `app` (the process), `channel` (broker to runner), `table_agent` and `lane_agent` (how agents run),
`effects` (what they write), `rows` and `recovery` (tables), `timers`, `config_record`, then `patches` (what of Faust is replaced),
`watch`, `health`, `ending`.
"""

from streams.engine.app import EngineApp, build, changelog_topic, run
from streams.engine.settings import EngineSettings

__all__ = ["EngineApp", "EngineSettings", "build", "changelog_topic", "run"]
