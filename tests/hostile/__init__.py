"""A corpus of hostile cases, made by these modules and run by `python tests/hostile`."""
