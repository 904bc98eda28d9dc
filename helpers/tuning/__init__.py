"""Many trainings: sweeps, searches and races, their results and their pictures."""
