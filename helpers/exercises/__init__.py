"""What the course asks of a learner: predictions, and self-checking exercises."""
