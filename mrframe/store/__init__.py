"""Files on disk: outputs, blocks, manifests, journal, saved results, kept runs, scratch directories and locks."""
