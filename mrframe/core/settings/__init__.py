"""The settings of a run and the kinds of values that they take."""
