"""The process that runs tasks and holds data, and its executors."""
