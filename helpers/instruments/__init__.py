"""What looks into a model: its layers, its shapes, its parameters, its faults."""
