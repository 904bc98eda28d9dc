"""What the course asks of a learner: predictions, and exercises that check themselves."""
