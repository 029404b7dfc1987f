"""`Reader`: how the bytes of an input become records, as a value that travels with a job and with its splits.

Not here: what is known of each kind (`formats/registry.py`), and reading (`formats/readers/`).
"""

from __future__ import annotations

from mrframe.core.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Reader:
    """Selects how the bytes of an input become records: a kind, and for access logs the format's name or string.

    `kind` is a name in the registry of readers (`mrframe.formats.registry`), built in or from a package that
    extends it. `format` is "auto" (detect from the data), a known name ("common", "combined", "vhost") or a format
    string of the server, pasted verbatim (Apache `LogFormat` or nginx `log_format`).
    """

    kind: str
    format: str = ""

    @property
    def label(self) -> str:
        """Display name: the format, else the kind."""
        return self.format or self.kind
