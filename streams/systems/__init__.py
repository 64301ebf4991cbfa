"""The systems, discovered: every folder here that exports `SYSTEM` is one."""

import importlib
import pkgutil

from streams.systems.spec import SystemSpec


def discover() -> dict[str, SystemSpec]:
    """All systems by name (= folder)."""
    found: dict[str, SystemSpec] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg:
            system: SystemSpec = importlib.import_module(f"{__name__}.{module.name}").SYSTEM
            found[system.name] = system
    return found
