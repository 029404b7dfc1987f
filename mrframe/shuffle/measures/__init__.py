"""Ready reducers beyond the basic ones: quantiles, most frequent values, spread, ends, and approximations."""
