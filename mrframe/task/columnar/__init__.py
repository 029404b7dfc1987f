"""Fast paths over columns. Each gives the same bytes as the plain path."""
