"""A package of somebody else's that adds to mrframe by entry points alone: see `mrframe_toy-0.1.dist-info`.

It is not installed: tests put its folder on the path, which is all that an installation would do.
"""
