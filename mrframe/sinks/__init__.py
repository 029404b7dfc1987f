"""Where results go: a file, a folder of parts, and the sinks of other packages. All or nothing, in each of them."""
