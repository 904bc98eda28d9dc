"""What looks into a model: its layers, its shapes, its parameters, its faults.

layer_values: the activations and gradients of a layer, summed up and drawn
measure_layers: those of every layer of a network; layer_verdicts: what they mean for
    training; layer_plots: several networks in one picture
init_lab: live, how the first weights change them
trace_shapes: every operation of a function with its shapes; why shapes don't fit
shapes_lab: live, the shapes of two layers and five mistakes
registration: what becomes of every tensor that a module reaches
registration_lab: live, ways to store a weight, and what a training step changes
objects: what any Python object holds, found without running its code
state: all that code can reach and change, and its restoring
doctor: why a model does not learn
"""
