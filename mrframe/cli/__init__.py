"""The command: parse, call `mrframe.api`, print."""

COMPLETE_VARIABLE = "_MRFRAME_COMPLETE"
"""The environment variable by which a shell asks for completions."""
