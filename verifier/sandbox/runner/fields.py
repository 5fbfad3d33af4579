"""What an object of a class written in Python holds."""

from __future__ import annotations

import enum


def fields_of(value: object) -> dict[str, object]:
    """Its attributes by their names, those in slots as well; of an enumeration's member its name and value."""
    if isinstance(value, enum.Enum):
        return {"name": value.name, "value": value.value}
    found = {name: held for name, held in getattr(value, "__dict__", {}).items() if isinstance(name, str)}
    for base in type(value).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            try:
                found[name] = object.__getattribute__(value, name)
            except AttributeError:
                continue
    return {name: held for name, held in found.items() if not name.startswith("__")}
