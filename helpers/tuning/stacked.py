"""K models of one shape as one network, whose weights have one more dimension.

For one picture x, a column of 784 numbers, a model computes

    hidden = relu(W1 @ x + b1)
    logits = W2 @ hidden + b2

Here X holds the columns of a batch of N pictures for each of K models, W1 the weights
of all K, and `products` multiplies each W1 by its X. So one operation does the work of
K, and each model still has its own pictures, weights and step size.

Weights are [K, num_outputs, num_inputs], as in nn.Linear. With 8 units that is three to
five times as fast as the transpose, and with more it makes no difference. The gradients
are written out, since autograd would take longer to find small ones than to compute.
"""

from dataclasses import dataclass

import torch

from helpers.model import ACTIVATIONS

# The slope of each activation, from its output.
SLOPES = {
    "relu": torch.sign,
    "tanh": lambda H: 1 - H * H,
    "sigmoid": lambda H: H - H * H,
}
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # of Adam, as in torch.optim

Tensors = list[torch.Tensor]


def products(
    A: torch.Tensor, B: torch.Tensor, into: torch.Tensor | None = None
) -> torch.Tensor:
    """A[k] @ B[k] for each k; float32 [K, m, p].

    A: [K, m, n]. B: [K, n, p]; or [S, n, p], where K / S models in turn meet the same
    B: they're one tall matrix of K / S * m rows, which is faster than one by one.
    into: what they are added to, [K, m, p]; None: nothing.
    """
    K, m, n = A.shape
    A, p, beta = A.reshape(len(B), -1, n), B.shape[2], into is not None
    out = (into if beta else A.new_empty(K, m, p)).view(len(B), -1, p)
    if A.is_cuda or len(A) % torch.get_num_threads() == 0:
        out.baddbmm_(A, B, beta=beta)
    else:
        # Each thread would get whole products: three on two threads take as long as
        # four.
        for a, b, c in zip(A, B, out):
            c.addmm_(a, b, beta=beta)
    return out.view(K, m, p)


@dataclass
class Network:
    """K models of one shape, and what trains them.

    weights: W1, b1, W2, b2, ...: float32 [K, num_outputs, num_inputs] and [K,
    num_outputs, 1]. buffers: what the optimizer remembers, a list for each of these.
    momentum, weight_decay: float32 [K, 1, 1]; None where no model has any.
    """

    weights: Tensors
    buffers: list[Tensors]
    activation: str
    optimizer: str
    momentum: torch.Tensor | None
    weight_decay: torch.Tensor | None

    def logits(self, X: torch.Tensor) -> torch.Tensor:
        """float32 [K, 10, N] for the pictures in X: [K or S, 784, N]."""
        return self._forward(X, ())[1]

    def _forward(self, X, kept):
        """(the input of each layer and the output of each hidden one, logits)"""
        *hidden, last = zip(self.weights[::2], self.weights[1::2])
        layers = [(None, X)]
        for i, (W, b) in enumerate(hidden):
            H = ACTIVATIONS[self.activation](products(W, X).add_(b))
            X = H * kept[i] if kept else H
            layers.append((H, X))
        W, b = last
        return layers, products(W, X).add_(b)

    def step(
        self, X: torch.Tensor, y: torch.Tensor, rates: torch.Tensor, *kept: torch.Tensor
    ) -> torch.Tensor:
        """Train all of them for one step; their losses before it, float32 [K].

        X: [K or S, 784, N]. y: int64 [K, N]. rates: what the optimizer goes by at this
        step, [1 or 3, K, 1, 1]. kept: for each hidden layer [K, num_hiddens, N], 0
        where dropout strikes.
        """
        layers, logits = self._forward(X, kept)
        log_p, y = logits.log_softmax(dim=1), y[:, None]
        losses = -log_p.gather(1, y).mean(dim=(1, 2))
        # The gradient of the logits: each class's probability, less 1 for the true one.
        D = log_p.exp_()
        D.scatter_add_(1, y, D.new_full((1, 1, 1), -1).expand_as(y)).div_(y.shape[2])
        # A bias is the weight of an input that is always 1.
        one = X.new_ones(1, 1, X.shape[2])
        for i in reversed(range(len(layers))):
            (H, X), of_this = layers[i], D
            W, b = self.weights[2 * i : 2 * i + 2]
            if H is not None:
                D = products(W.mT, D).mul_(SLOPES[self.activation](H))
                if kept:
                    D *= kept[i - 1]
            if not self.buffers[2 * i]:  # once for both W and b
                of_this *= -rates[0]
            self._update(W, of_this, X.mT, self.buffers[2 * i], rates)
            self._update(b, of_this, one.mT, self.buffers[2 * i + 1], rates)
        return losses

    def _update(self, W, D, X, buffers, rates):
        """What torch.optim does, with a step size for each model.

        D, X: their product is the gradient of W; without buffers it's the step.
        """
        decay = self.weight_decay
        if not buffers:
            if decay is not None:
                W.mul_(1 - rates[0] * decay)
            products(D, X, into=W)
        elif self.optimizer == "sgd":
            (velocity,) = buffers
            velocity.mul_(self.momentum)
            if decay is not None:
                velocity.addcmul_(W, decay)
            W.addcmul_(products(D, X, into=velocity), rates[0], value=-1)
        else:
            (mean, square), (lr, root, shrink) = buffers, rates
            gradient = products(D, X)
            if self.optimizer == "adamw":
                W.mul_(shrink)
            elif decay is not None:
                gradient.addcmul_(W, decay)
            mean.lerp_(gradient, 1 - BETA1)
            square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            W.addcdiv_(mean * lr, square.sqrt().div_(root).add_(EPS), value=-1)
