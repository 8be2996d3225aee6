"""Like galaxies: an index of feature vectors, kept on this machine and brought up to date from the results bucket."""
