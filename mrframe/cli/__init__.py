"""The command: parse, call `mrframe.api`, print."""
