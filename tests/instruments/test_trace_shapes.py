"""trace_shapes: the operations, what is said about errors, and what it leaves alone."""

import base64
import functools
import gc
import random
import re
import threading
import warnings
import weakref
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from helpers import MLP, shapes_lab, trace_shapes
from helpers.instruments import shapes_lab as shapes_live
from helpers.instruments.trace_shapes import messages

X = torch.rand(64, 784, generator=torch.Generator().manual_seed(0))
W1, b1 = torch.ones(784, 256) * 0.01, torch.zeros(256)
W2, b2 = torch.ones(256, 10) * 0.01, torch.zeros(10)
COLUMN, LABELS = torch.zeros(256, 1), torch.arange(64)
SDPA = F.scaled_dot_product_attention


def two_layers(X, W1=W1, b1=b1, W2=W2, b2=b2):
    hidden = torch.relu(X @ W1 + b1)
    return hidden @ W2 + b2


def names(trace):
    return [step.name for step in trace.steps]


def outputs(trace):
    return [step.outputs for step in trace.steps]


# --- what it lists


def test_each_operation_is_listed_in_order_with_its_shapes():
    trace = trace_shapes(two_layers, X)
    assert trace.ok and trace.error is None and trace.explanation == ""
    assert names(trace) == ["matmul", "add", "relu", "matmul", "add"]
    assert trace.steps[0].inputs == ((64, 784), (784, 256))
    assert trace.steps[0].names == ("X", "W1")
    assert outputs(trace) == [((64, 256),)] * 3 + [((64, 10),)] * 2
    assert trace.warnings == []


def test_a_tensor_is_called_as_the_line_that_uses_it_calls_it():
    trace = trace_shapes(two_layers, X, W1, COLUMN)
    assert trace.steps[1].names == ("", "b1") and "Use b1.flatten()" in str(trace)


def test_the_text_is_a_table():
    text = str(trace_shapes(two_layers, X))
    assert "two_layers: (64, 784) -> (64, 10), operations: 5" in text
    assert re.search(r"1  matmul  X \(64, 784\), W1 \(784, 256\) +-> \(64, 256\)", text)


def boxes(html):
    """Each box, as what is drawn without any style: (width, height, its SVG)."""
    found = re.findall(
        r'<img alt="" width="(\d+)" height="(\d+)" src="data:image/svg\+xml;base64,'
        r'([^"]+)">',
        html,
    )
    return [(int(w), int(h), base64.b64decode(svg).decode()) for w, h, svg in found]


def test_the_drawing_reads_well_and_has_its_boxes_without_styles():
    trace = trace_shapes(two_layers, X)
    html = trace._repr_mimebundle_()["text/html"]
    bare = re.sub(r"<style>.*?</style>|<[^>]+>", "", html, flags=re.DOTALL)
    assert "X (64, 784) @ W1 (784, 256)→(64, 256)" in bare
    drawn = boxes(html)
    tensors = [len(step.inputs) + len(step.outputs) for step in trace.steps]
    assert len(drawn) == sum(tensors) == 14
    for _, _, svg in drawn:
        path = ElementTree.fromstring(svg)[-1]
        assert path.get("fill") and path.get("stroke") and "style" not in svg


def test_a_larger_matrix_has_a_larger_box():
    def side(rows):
        html = trace_shapes(torch.relu, torch.zeros(rows, 10))
        return boxes(html._repr_mimebundle_()["text/html"])[0][1]

    assert side(2) < side(20) < side(200) < side(2000) < 100


def test_in_place_and_other_ways_to_write_it_are_operations_too():
    def much(X):
        Y = X.clone()
        Y += 1
        Y[0] = 0
        Y.relu_()
        pictures = Y.reshape(-1, 28, 28).permute(1, 2, 0)[None, ..., :3]
        z = torch.einsum("nd,dk->nk", Y, W1)
        return torch.cat([z, 2 - z]).T, pictures.flatten(1), F.softmax(z, dim=1)

    trace = trace_shapes(much, X)
    assert trace.ok, trace
    expected = ["clone", "add_", "setitem", "relu_", "reshape", "permute", "getitem"]
    expected += ["einsum", "rsub", "cat", "T", "flatten", "softmax"]
    assert names(trace) == expected
    assert outputs(trace)[-4:-1] == [((128, 256),), ((256, 128),), ((1, 2352),)]


def test_questions_about_a_tensor_are_not_operations():
    def asks(X):
        if X.shape[0] == X.size(0) and X.dtype == torch.float32 and X.dim() == 2:
            return X + X.max().item()

    assert names(trace_shapes(asks, X)) == ["max", "add"]


def test_a_layer_is_one_operation_under_its_own_name():
    net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    trace = trace_shapes(net, X)
    found = [(step.path, step.name) for step in trace.steps]
    assert found == [("0", "linear"), ("1", "relu"), ("2", "linear")]
    trace = trace_shapes(lambda X: net(X).argmax(dim=1), X)
    assert [step.path for step in trace.steps] == ["net.0", "net.1", "net.2", ""]


def test_the_courses_model_names_its_own_parameters():
    trace = trace_shapes(MLP(784, 256, 10, seed=0), X)
    assert [step.names[-1] for step in trace.steps if step.name == "add"] == [
        "b1",
        "b2",
    ]


def test_lstm_cells_in_a_loop_and_attention():
    rows = X.reshape(64, 28, 28)
    trace = trace_shapes(nn.LSTM(28, 8, batch_first=True), rows)
    assert trace.steps[-1].outputs == ((64, 28, 8), (1, 64, 8), (1, 64, 8))
    cell = nn.RNNCell(28, 8)

    def loop(rows):
        hidden = torch.zeros(64, 8)
        for row in rows.unbind(dim=1):
            hidden = cell(row, hidden)
        return hidden

    trace = trace_shapes(loop, rows)
    assert names(trace) == ["zeros", "unbind"] + 28 * ["rnn_tanh_cell"]
    assert len(str(trace).splitlines()) < 40
    assert str(trace.unfold()).count("rnn_tanh_cell") == 28
    for net in (
        nn.TransformerEncoderLayer(16, 2, batch_first=True).eval(),
        nn.TransformerEncoderLayer(16, 2, batch_first=True),
    ):
        trace = trace_shapes(net, torch.rand(2, 5, 16))
        assert "multi_head_attention_forward" in names(trace)
        assert trace.ok and not trace.warnings


def test_a_dict_of_tensors_comes_back_and_goes_in():
    class Two(nn.Module):
        def forward(self, batch, scale):
            return {"sum": batch["a"] + batch["b"][0], "list": [scale * batch["a"]]}

    trace = trace_shapes(Two(), {"a": X, "b": (X,)}, 0.5)
    assert trace.ok
    assert "-> (64, 784), (64, 784)" in str(trace)


NETS = [("resnet18", 64), ("resnet50", 64), ("vit_b_16", 224), ("swin_t", 64)]


@pytest.mark.parametrize(("name", "side"), NETS)
def test_a_big_network_folds_and_warns_of_nothing(name, side):
    net = getattr(torchvision.models, name)(weights=None).eval()
    trace = trace_shapes(net, torch.rand(1, 3, side, side))
    assert trace.ok and trace.warnings == []
    assert len(str(trace).splitlines()) <= 40
    assert max(map(len, str(trace).splitlines())) < 200
    html = trace._repr_mimebundle_()["text/html"]
    assert html.count("<details>") >= 8 and len(html) < 600_000
    full = str(trace.unfold())
    assert len(full.splitlines()) == 1 + len(trace.steps)


def test_a_part_unfolds_by_its_name():
    net = torchvision.models.resnet18(weights=None)
    trace = trace_shapes(net, torch.rand(2, 3, 64, 64))
    inside = trace.unfold("layer2.0")
    assert [step.name for step in inside.steps][:3] == ["conv2d", "batch_norm", "relu"]
    assert "layer2.0: (2, 64, 16, 16) -> (2, 128, 8, 8), operations: 9" in str(inside)
    with pytest.raises(
        ValueError, match=r"no part 'layer20'; it has: layer2.0, layer2, "
    ):
        trace.unfold("layer20")


def test_a_part_of_one_operation_unfolds_as_the_table_names_it():
    net = torchvision.models.resnet18(weights=None)
    trace = trace_shapes(net, torch.rand(2, 3, 64, 64))
    assert "fc: (2, 512) -> (2, 1000), operations: 1" in str(trace.unfold("fc"))
    small = trace_shapes(nn.Sequential(nn.Linear(784, 9), nn.ReLU()), X)
    assert "linear" in str(small.unfold("0"))
    with pytest.raises(ValueError, match=r"it has: 1, 0\.|it has: 0, 1\."):
        small.unfold("2")


def test_a_forgotten_return_is_no_scalar():
    class Forgot(nn.Module):
        def forward(self, X):
            self.hidden = X.relu()

    text = str(trace_shapes(Forgot(), X))
    assert "Forgot: (64, 784) -> no tensor" in text and "Is a return missing?" in text
    assert (
        "Is a return missing?"
        in trace_shapes(Forgot(), X)._repr_mimebundle_()["text/html"]
    )
    assert "return missing" not in str(trace_shapes(lambda X: X.sum().item(), X))


def test_a_long_function_without_modules_stays_short():
    def grows(X):
        for _ in range(100):
            X = torch.cat([X, X[:1]])
        return X

    text = str(trace_shapes(grows, X))
    assert "rows left out" in text and len(text.splitlines()) < 40
    assert "(164, 784)" in text.splitlines()[-1]


class Loop(nn.Module):
    def forward(self, X):
        for row in X:
            X = X + row
        return X


def test_a_long_loop_and_a_long_list_of_tensors_stay_short():
    net = nn.Sequential(Loop(), *[nn.ReLU() for _ in range(40)])
    trace = trace_shapes(net, torch.rand(2000, 3))
    assert len(trace.steps) == 2041
    assert max(map(len, str(trace).splitlines())) < 200
    html = trace._repr_mimebundle_()["text/html"]
    assert len(html) < 200_000 and "1901 rows left out" in html


def test_modules_that_fn_hides_are_named_by_their_class():
    inner = nn.Sequential(nn.Linear(784, 9), nn.ReLU())
    inner[0].weight.grad = torch.ones(9, 784)
    trace = trace_shapes(functools.partial(inner), X)
    found = [(step.path, step.name) for step in trace.steps]
    assert found == [("Sequential.0", "linear"), ("Sequential.1", "relu")]


def test_a_lazy_layer_gets_its_shape():
    net = nn.Sequential(nn.LazyLinear(9), nn.ReLU())
    trace = trace_shapes(net, X)
    assert trace.ok and trace.steps[-2].inputs == ((64, 784), (9, 784), (9,))
    assert net(X).shape == (64, 9)


# --- what it says about errors

ATTENTION, STEPS = nn.MultiheadAttention(16, 2, batch_first=True), torch.rand(4, 5, 16)


SECOND = nn.MultiheadAttention(16, 2)


def masked(x, mask=None, padding=None):
    return ATTENTION(x, x, x, attn_mask=mask, key_padding_mask=padding)


WRONG_WIDTH = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(256, 10))
BOOK = W1.T.contiguous()  # (outputs, inputs)
SHORT, WEIGHTS = torch.rand(300), [torch.rand(784, 256)]
BROKEN = {  # cause -> a function, its tensors, a part of what is said
    messages.TRANSPOSED: [
        (two_layers, (X, W1.T), "use W1.T"),
        (nn.Linear(256, 784), (X,), "nn.Linear(784, 256)"),
        (F.linear, (X, W1), "use .T on the weight"),
        (lambda q, k: q @ k, (*torch.rand(2, 4, 8, 64),), "use k.mT"),
        (torch.addmm, (b1, X, W1.T), ".T"),
    ],
    messages.FLATTEN: [
        (
            nn.Sequential(nn.Conv1d(1, 4, 3), nn.ReLU(), nn.Linear(4, 9)),
            (X[:, None],),
            "nn.Linear(3128, 9), since 4 * 782 = 3128",
        ),
        (two_layers, (X.reshape(64, 28, 28),), "X.flatten(1), since 28 * 28 = 784"),
        (nn.Linear(784, 256), (X.reshape(64, 28, 28),), ".flatten(1)"),
        (two_layers, (X[0].reshape(28, 28),), "use X.flatten(), since 28 * 28 = 784"),
        (torch.mm, (X.reshape(64, 28, 28), W1), "flatten(1)"),
        (torch.matmul, (torch.rand(8, 64, 3, 3), W1), "shape (576, 256)"),
    ],
    messages.SWAPPED: [
        (two_layers, (X.T,), "use X.T"),
        (nn.Linear(784, 256), (X.T,), ".T"),
    ],
    messages.WIDTH: [
        (nn.LayerNorm([4, 9, 9]), (torch.rand(2, 4, 8, 8),), "made for (4, 9, 9)"),
        (two_layers, (X, W1, b1, torch.ones(128, 10)), "give W2 the shape (256, 10)"),
        (nn.Sequential(nn.Linear(784, 9), nn.Linear(8, 2)), (X,), "nn.Linear(9, 2)"),
        (lambda X, w: X @ w, (X, torch.rand(256)), "give w the shape (784,)"),
        (F.linear, (X, torch.ones(9, 256)), "give the weight the shape (9, 784)"),
        (
            nn.LSTM(28, 8),
            (X.reshape(64, 1, 784),),
            "features = 28, but gets the input (64, 1, 784). Create it for 784",
        ),
        # Two causes seem possible, but a hidden layer keeps its rows.
        (WRONG_WIDTH, (torch.rand(256, 784),), "nn.Linear(128, 10)"),
        (
            nn.Sequential(nn.Linear(784, 64), nn.Linear(256, 10)),
            (X[:4],),
            "nn.Linear(64, 10)",
        ),
        (
            nn.Sequential(nn.Linear(784, 32), nn.BatchNorm1d(64)),
            (X,),
            "made for 64 features but gets 32",
        ),
        (nn.LayerNorm(64), (X,), "made for 64 features but gets 784"),
        (nn.RNNCell(28, 16), (torch.rand(4, 27),), "make it with input_size=27"),
        (nn.GRUCell(28, 16), (X[:, :28], X[:, :8]), "the layer has 16 units"),
        (nn.GroupNorm(2, 8), (torch.rand(2, 6, 4, 4),), "made for 8 channels, but"),
        (nn.InstanceNorm2d(3, affine=True), (torch.rand(2, 4, 5, 5),), "but gets 4"),
        (nn.PReLU(5), (X[:, :8],), "has 8 channels: make it with 8"),
        (nn.Bilinear(5, 6, 3), (X[:, :5], X[:, :7]), "6 numbers in input 2, but gets"),
        (ATTENTION, (STEPS, STEPS[..., :12], STEPS), "make it with kdim=12"),
        (F.batch_norm, (X, b1, b1), "The batch_norm was made for 256 features"),
        (
            F.layer_norm,
            (X, (784,), b1),
            "the weight needs 784 numbers, one for each feature, but has 256",
        ),
        (nn.Transformer(8, 2, 1, 1, 8), (STEPS[..., :8], STEPS), "is its d_model"),
    ],
    messages.BIAS: [
        (two_layers, (X, W1, b1[:, None]), "Use b1.flatten()"),
        (two_layers, (X, W1, torch.zeros(64)), "one number for each row"),
        (two_layers, (X, W1, torch.zeros(300)), "give b1 the shape (256,)"),
        (lambda X: SHORT + X, (X,), "for each column of X, so give SHORT the shape"),
        (
            F.linear,
            (X, torch.ones(9, 784), torch.ones(8)),
            "give the bias the shape (9,)",
        ),
        (lambda X: BOOK @ X.T + b1, (X,), "use b1.unsqueeze(1)"),
        (lambda X: X @ W1 + b1[None, :-1], (X,), "the shape (256,)"),
        (torch.addmm, (torch.zeros(300), X, W1), "256 and 300 meet"),
        (F.conv1d, (STEPS, torch.rand(3, 5, 3), b1), "a bias with 3 numbers, one for"),
    ],
    messages.ORDER: [
        (lambda X: W1 @ X, (X,), "use X @ W1"),
        (lambda X: BOOK @ X, (X,), "use X @ BOOK.T, with one example in each row"),
        (lambda X: WEIGHTS[0] @ X, (X,), "swap them, so that the examples come first"),
    ],
    messages.OTHER: [
        (lambda X: X.view(11, 13), (X,), "so the sizes must multiply to 50176."),
        (
            lambda X: X.reshape(-1, 28, 28)[:60].view(64, 784),
            (X,),
            "needs 50176 numbers, but the input (60, 28, 28) holds 47040",
        ),
        (lambda X: X.T.view(-1), (X,), "use .reshape instead"),
        (lambda X: X[None] @ X[None].T, (X,), "To swap only the last two, use .mT"),
        (lambda X: X @ X, (torch.rand(4, 5, 6),), "use X @ X.mT or X.mT @ X"),
        (lambda X: F.mse_loss(X, X[:, 0]), (X,), "both need the same shape."),
        (lambda X: torch.cat([X, X[:, :5]]), (X,), "784 and 5 are not"),
        (F.cross_entropy, (X, torch.arange(63)), "64 rows of scores but 63 labels"),
        (
            lambda X, y: F.cross_entropy(X.view(-1, 392), y),
            (X, LABELS),
            "view made 128 rows of X (64, 784): use X.flatten(1)",
        ),
        (
            lambda x, w: x.masked_fill(w, 0),
            (torch.rand(5, 2, 8, 8), torch.rand(5, 8) > 1),
            "use w[:, None, None, :]",
        ),
        (SECOND, (STEPS, STEPS, STEPS, None, False, X[:5, :5]), "batch_first=True"),
        (
            nn.Conv2d(1, 4, 3),
            (torch.rand(2, 3, 8, 8),),
            "channels = 1, but gets the input (2, 3, 8, 8)",
        ),
        (
            nn.Conv2d(4, 8, 3, groups=2),
            (torch.rand(2, 5, 8, 8),),
            "Create it for 5, or let what comes before it output 4",
        ),
        (
            nn.ConvTranspose2d(16, 8, 3),
            (torch.rand(2, 12, 8, 8),),
            "channels = 16, but gets the input (2, 12, 8, 8)",
        ),
        (lambda X: bool(X), (X,), "use .all() or .any()"),
        (nn.BatchNorm2d(3), (X,), "channels = 3, but gets the input (64, 784)"),
        (lambda X: X + X.T, (X,), "784 and 64 meet"),
        (lambda X: X @ X, (X,), "X @ X.T or X.T @ X"),
        (lambda X, y: X @ W1[:, :10] - y, (X, X[:, 0]), "use y.unsqueeze(1)"),
        (
            lambda X: X - X.mean(1),
            (X,),
            "For each row of X, the right tensor has one number",
        ),
        (
            torch.matmul,
            (torch.rand(4, 2, 3), torch.rand(5, 3, 2)),
            "4 and 5, must be equal",
        ),
        (lambda X: X.reshape(28, 28), (X,), "reshape(64, 28, 28) would"),
        (lambda X: X.reshape(64, 28, 29), (X,), "reshape(64, 28, -1) would"),
        (lambda X: X.reshape(-1, 783), (X,), "which 783 does not divide"),
        (
            nn.Conv2d(1, 4, 3),
            (X.reshape(64, 28, 28),),
            "The channel dimension is missing: use .unsqueeze(1) on the input",
        ),
        (
            F.cross_entropy,
            (X[:, :10], torch.zeros(64, 1).long()),
            "Use .flatten() on the labels",
        ),
        (
            F.cross_entropy,
            (X[:, :10].T, torch.zeros(64).long()),
            "The scores (10, 64) are transposed: use .T on the scores.",
        ),
        (
            F.binary_cross_entropy,
            (X[:, :1], X[:, 0]),
            "Use .reshape(-1, 1) on the target",
        ),
        (lambda X: torch.stack([X, X[:5]]), (X,), "(64, 784) and (5, 784)"),
        (
            lambda X: torch.einsum("nd,dk->nk", X, W1.T),
            (X,),
            "the letter d stands for the sizes 784 and 256",
        ),
        (
            lambda x, w: x * w,
            (torch.rand(5, 16, 8, 8), torch.rand(5, 16)),
            "use w[..., None, None]",
        ),
        (
            F.cross_entropy,
            (torch.rand(5, 64, 3, 10), torch.zeros(5).long()),
            "Check for a missing flatten",
        ),
        (nn.GroupNorm(4, 8), (torch.rand(2, 6, 4, 4),), "and 4 does not divide 6"),
        (nn.LSTMCell(28, 16), (X.reshape(64, 28, 28),), "Call it once for each step"),
        (nn.RNNCell(28, 16), (X[:4, :28], X[:3, :16]), "4 examples, but a state for 3"),
        (nn.RNNCell(28, 16), (X[:1, :28], X[None, :1, :16]), "has 3 dimensions"),
        (nn.LSTM(16, 8), (STEPS, STEPS), "as a tuple of two tensors"),
        (masked, (STEPS, STEPS[0, :4, :4]), "(4, 4), but must have (5, 5)"),
        (masked, (STEPS, STEPS[:, :, :5]), "must have (8, 5, 5), which is (examples *"),
        (masked, (STEPS, None, X[:5, :4] > 1), "in dimension 0 must be 4, but it is 5"),
        (ATTENTION, (STEPS, STEPS[:3], STEPS[:3]), "as many examples in the key"),
        (SDPA, (STEPS, STEPS[..., :4], STEPS), "their last sizes, 16 and 4,"),
        (SDPA, (STEPS, STEPS[:, :4], STEPS[:, :4], X[:4, :5]), "must fit (5, 4)"),
        (nn.Upsample(mode="linear", size=9), (X[None, None],), 'use mode="bilinear"'),
        (nn.PixelShuffle(2), (torch.rand(4, 6, 8, 8),), "so 4 must divide"),
        (nn.PixelShuffle(2), (X,), "takes (examples, channels, height, width), or"),
        (nn.PixelUnshuffle(2), (torch.rand(4, 1, 5, 6),), "so 2 must divide"),
        (nn.ChannelShuffle(3), (torch.rand(1, 4, 5, 5),), "and 3 does not divide 4"),
        (nn.Unfold(2), (X,), "takes (examples, channels, height, width), or"),
        (nn.Unfold(5), (torch.rand(2, 1, 3, 3),), "is too small for its kernel"),
        (nn.Fold((4, 5), 2), (torch.rand(2, 8, 5),), "12 places for the kernel"),
        (nn.Fold((4, 4), 2), (torch.rand(2, 7, 9),), "a kernel of (2, 2)"),
        (nn.GLU(), (X[:, :7],), "is odd there, 7"),
        (
            lambda X: X.split([300, 400], 1),
            (X,),
            "add up to 784, but they are 300, 400",
        ),
        (lambda X: X.permute(0, 2, 1), (X,), "X (64, 784) has 2, but 3 are given"),
        (lambda X: X.expand(64, 800), (X,), "has 784 where 800 is asked for"),
        (lambda X: X[64], (X,), "only 64 positions in dimension 0"),
        (lambda X: X[0, 0, 0], (X,), "X (64, 784) has 2 dimensions"),
        (
            lambda X, m: X[m],
            (X, X[:5, 0] > 1),
            "has the shape (5), but what it chooses",
        ),
        (
            lambda X: X.__setitem__(0, b1),
            (X,),
            "the shape (256), and its place has (784)",
        ),
        (lambda X: torch.cat([X, b1]), (X,), "unsqueeze adds one"),
        (
            lambda s, y: F.cross_entropy(s, y, b1),
            (X, LABELS),
            "each of the 784 classes",
        ),
        (F.multi_margin_loss, (X, LABELS[:5]), "64 rows of scores but 5 labels"),
        (torch.linalg.inv, (X,), "square matrices"),
        (lambda X: X.sum(dim=3), (X,), "no dimension 3"),
        (lambda X: X.item(), (X,), "X has 50176: take their mean or sum first"),
        (lambda X: torch.tensor([X, X]), (X,), "use torch.stack"),
        (lambda X: (X * W1.requires_grad_()[:, 0]).backward(), (X,), "starts from one"),
        (lambda X: X[0].clone().add_(X), (X,), "the result has the shape (64, 784)"),
        (lambda X: X[None].t(), (X,), "has 3: to swap the last two, use .mT"),
        (lambda X: torch.trace(X[None]), (X,), "at most two dimensions"),
        (torch.mm, (X[None], W1), "For stacks of matrices, use @"),
        (
            lambda X: X[0].tril(),
            (X,),
            "at least 2 dimensions, but the input (784,) has",
        ),
        (lambda X: nn.Softmax2d()(X), (X,), "needs at least 3 dimensions"),
        (torch.outer, (X, X), "tensors of one dimension"),
        (torch.meshgrid, (X, X), "With .flatten() a tensor has one"),
        (lambda X, y: X.index_select(0, y[None]), (X, LABELS), "use .flatten() on the"),
        (lambda X, y: X.gather(1, y), (X, LABELS), "use y.unsqueeze(1)"),
        (torch.gather, (X[:5], 1, LABELS[:, None]), "(64, 1) is too large"),
        (lambda X: torch.where(X > 0, X, b1), (X,), "sizes 784 and 256 meet"),
        (
            F.binary_cross_entropy,
            (X.sigmoid(), X.sigmoid(), b1),
            "(64, 784), (64, 784), (256,)",  # 2.6, 2.11: the sizes meet
        ),
        (lambda X: X.topk(800), (X,), "more values than X (64, 784) has"),
        (lambda X: X.repeat(2), (X,), "a number for each dimension, and X (64, 784)"),
        (lambda X: X.view_as(W1), (X,), "as many as X (64, 784), which are 50176"),
        (torch.cdist, (X, W2), "the last sizes of the left tensor (64, 784) and"),
        (torch.linalg.solve, (X[:, :64], W2), "as many rows in the right tensor"),
        (lambda X: torch.einsum("bij->b", X), (X,), "has 3 letters for the tensor at"),
        (lambda X: torch.einsum("ij,jk", X), (X,), "each group of letters before"),
        (lambda X: torch.einsum("ij->ik", X), (X,), "the letter k must be before"),
        (lambda X: F.pad(X, (1,)), (X,), "(left, right, top, bottom)"),
        (lambda X: F.pad(X[0], (1, 1, 1, 1)), (X,), "(784,) has only 1"),
        (nn.ReflectionPad2d(9), (torch.rand(1, 8, 8),), "padding must be smaller"),
        (nn.ReflectionPad2d(9), (X,), "(examples, channels, height, width)"),
        (F.grid_sample, (torch.rand(1, 1, 8, 8), STEPS[:1]), "height, width, 2)"),
        (F.cross_entropy, (X[0], LABELS), "are those of one example, but there are 64"),
        (
            F.cross_entropy,
            (torch.rand(4, 3, 8, 8), torch.zeros(4, 1, 8, 8).long()),
            "Use .squeeze(1) on the labels",
        ),
        (F.triplet_margin_loss, (X, X, X[0]), "tensors of the same shape"),
        (
            F.ctc_loss,
            (STEPS, LABELS[:9], LABELS[:4], LABELS[:4]),
            "two lengths for each",
        ),
        (nn.GRU(16, 8), (STEPS, X[:5, :8]), "but this one has 2 dimensions"),
        (
            nn.utils.rnn.pack_padded_sequence,
            (STEPS, torch.full((4,), 5)),
            "5 in all, but it gets 4. If the first size",
        ),
        (lambda X: X[LABELS, LABELS[:5]], (X,), "their shapes are (64) and (5)"),
    ],
    messages.ALL_FLAT: [
        (
            lambda X: nn.Linear(784, 9)(X.flatten()),
            (X,),
            "use flatten(1), which keeps the first size",
        ),
    ],
}
CASES = [(cause, *case) for cause, cases in BROKEN.items() for case in cases]


@pytest.mark.parametrize(("cause", "fn", "tensors", "said"), CASES)
def test_a_shape_error_names_the_sizes_the_cause_and_the_repair(
    cause, fn, tensors, said
):
    trace = trace_shapes(fn, *tensors)
    assert not trace.ok
    kinds = RuntimeError, IndexError, ValueError, AssertionError
    assert isinstance(trace.error, kinds)
    assert trace.cause == cause
    assert said in trace.explanation
    assert trace.explanation in str(trace)
    assert "\n" not in trace.explanation and trace.explanation.endswith(".")


def test_the_two_sizes_that_clash_are_named():
    for broken, first, second in (
        (trace_shapes(two_layers, X, W1.T), "784", "256"),
        (trace_shapes(two_layers, X.T), "64", "784"),
        (trace_shapes(two_layers, X, W1, torch.zeros(300)), "256", "300"),
    ):
        assert re.search(rf"\b{first}\b.*\b{second}\b", broken.explanation)


def test_the_trace_ends_at_the_error_and_shows_it():
    trace = trace_shapes(two_layers, X, W1, b1, W2.T)
    assert names(trace) == ["matmul", "add", "relu", "matmul"]
    assert trace.steps[-1].failed and trace.steps[-1].outputs == ()
    assert "-> stops here" in str(trace)
    assert "stops here" in trace._repr_mimebundle_()["text/html"]


def test_a_deep_error_is_unfolded():
    net = torchvision.models.resnet18(weights=None)
    net.layer3[1].conv2 = nn.Conv2d(99, 256, 3)
    trace = trace_shapes(net, torch.rand(2, 3, 64, 64))
    assert "layer3.1.conv2" in str(trace) and len(str(trace).splitlines()) <= 40
    assert re.search(
        r"channels = 99, but gets the input \(2, 256, 4, 4\)", trace.explanation
    )


def test_where_two_causes_are_possible_both_are_named():
    trace = trace_shapes(two_layers, torch.ones(256, 784), W1.T)
    assert trace.cause == messages.TRANSPOSED
    assert "use W1.T" in trace.explanation and "use X.T" in trace.explanation
    trace = trace_shapes(two_layers, torch.ones(784, 256))
    assert trace.cause == messages.SWAPPED
    assert "use W1.T" in trace.explanation and "use X.T" in trace.explanation


def own_error(X):
    X.relu()
    raise ValueError("only pictures of shoes")


NOT_SHAPES = [
    (own_error, (X,), "raised ValueError after operation 1, relu"),
    (lambda X: {}["b1"], (X,), "raised KeyError before its first operation"),
    (lambda X, W: X @ W, (X,), "missing 1 required positional argument: 'W'"),
    (two_layers, (X.long(),), "use .float() on what is not float32"),
    (two_layers, (X, W1.double()), "dtype"),
    (nn.Embedding(9, 4), (X,), "whole numbers as positions: use .long() on them"),
    (F.cross_entropy, (X, X[:, 0]), "whole numbers as class numbers: use .long() on"),
    (F.softmax, (X.long(), 1), "softmax needs floats, but gets whole numbers"),
    (lambda X: X[{}], (X,), "raised IndexError, but the shapes are not the cause"),
    (F.cross_entropy, (X, torch.full((64,), 800)), "gets the label 800"),
    (F.binary_cross_entropy, (X + 9, X), "For scores, use F.binary_cross_entropy_with"),
    (F.embedding, (torch.tensor([9]), W2[:5]), "has 5 rows, counted from 0"),
    (F.cross_entropy, (torch.arange(64), X), "takes the scores first"),
    (nn.Module(), (X,), "but the shapes are not the cause"),
    (lambda X: nn.Linear(8, 2)(nn.LSTM(784, 8)(X)), (X,), "outputs, state = lstm(X)"),
    (nn.Bilinear(784, 784, 2), (X,), "missing 1 required positional argument"),
]


@pytest.mark.parametrize(("fn", "args", "said"), NOT_SHAPES)
def test_another_error_is_not_taken_for_a_shape_error(fn, args, said):
    trace = trace_shapes(fn, *args)
    assert not trace.ok and trace.cause is None
    assert said in trace.explanation


def test_an_error_that_fn_catches_is_no_error():
    def careful(X):
        try:
            X @ X
        except RuntimeError:
            return X @ X.T

    trace = trace_shapes(careful, X)
    assert trace.ok and trace.steps[-1].outputs == ((64, 64),)


def test_stopping_the_cell_stops_the_trace():
    def stops(X):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trace_shapes(stops, X)


BAD = [
    (lambda: trace_shapes(X), "you gave torch.float32"),
    (lambda: trace_shapes("net", X), "you gave str"),
    (lambda: trace_shapes(two_layers), "needs a tensor to call two_layers"),
    (lambda: trace_shapes(two_layers, 3), "needs a tensor"),
    (lambda: trace_shapes(two_layers, np.zeros((2, 784))), "torch.from_numpy"),
    (lambda: trace_shapes(MLP, X), "net = MLP"),
]


@pytest.mark.parametrize(("call", "said"), BAD)
def test_bad_input_gets_one_sentence(call, said):
    with pytest.raises(TypeError, match=said) as raised:
        call()
    assert "\n" not in str(raised.value)


# --- what it warns of

SQUARE = torch.rand(256, 784)
SILENT_BUGS = [
    (lambda X: X @ W1 + torch.zeros(256, 1), (SQUARE,), "the shape (256,)"),
    (
        lambda X, b: X @ W1 + b,
        (SQUARE, b1[:, None]),
        "the right tensor (256, 1)|b (256, 1)",
    ),
    (lambda X, b: (X @ W1)[0] + b, (SQUARE, b1[:, None]), "to (256, 256)"),
    (lambda X, b: X[:1] @ W1 + b, (SQUARE, b1[:, None]), "to (256, 256)"),
    (lambda X, y: (X @ W1[:, :1] - y).pow(2).mean(), (X, X[:, 0]), "to (64, 64)"),
    (lambda X, y: X @ W1[:, :1] - y, (X, torch.arange(64)), "to (64, 64)"),
    (lambda X, y: F.mse_loss(X @ W1[:, :1], y), (X, X[:, 0]), "to (64, 64)"),
    (lambda X, y: X.argmax(1, keepdim=True) == y, (X, LABELS), "to (64, 64)"),
    (F.mse_loss, (X[:, :10], X[:, :1]), "both need the same shape"),
    (lambda a, b: F.mse_loss(a, b.unsqueeze(1)), (X[:, 0], X[:, 0]), "to (64, 64)"),
    (torch.subtract, (X[:, :1], X[:, 0]), "to (64, 64)"),
    (lambda X, y: X[:, :1] > y, (X, X[:, 0]), "to (64, 64)"),
    (lambda X, b: X @ W1 + b.reshape(-1, 1), (SQUARE, b1), "the shape (256,)"),
]


@pytest.mark.parametrize(("fn", "args", "said"), SILENT_BUGS)
def test_a_silent_enlargement_gets_a_warning(fn, args, said):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # PyTorch's own, about mse_loss
        trace = trace_shapes(fn, *args)
    assert trace.ok and len(trace.warnings) == 1
    assert any(part in trace.warnings[0] for part in said.split("|"))
    assert trace.warnings[0] in str(trace)
    marked = [row for row in trace.html().split("<tr") if row.startswith(' class="mar')]
    assert len(marked) == 1 and "<td>! " in marked[0]


def test_a_warning_in_a_loop_is_said_once():
    column = torch.zeros(64, 1)
    trace = trace_shapes(lambda X: [X + column for _ in range(50)], X)
    assert len(trace.warnings) == 1
    assert str(trace).count("Warning at 1: ") == str(trace).count("Warning") == 1


def layer_norm(X):
    centred = X - X.mean(dim=1, keepdim=True)
    return centred / (centred.pow(2).mean(dim=1, keepdim=True) + 1e-5).sqrt() * X[0]


def softmax(X):
    e = (X - X.max(dim=1, keepdim=True).values).exp()
    return e / e.sum(dim=1, keepdim=True)


def attention(X):
    q = X.reshape(4, 2, 8, 784)
    mask = torch.ones(8, 8).tril().log() + torch.zeros(4, 1, 1, 8)
    return (q @ q.mT + mask).softmax(dim=-1) @ q + torch.rand(1, 8, 784)


def distances(X):
    order = torch.arange(64)
    pairs = (X[:, None] - X[None]) + (X.unsqueeze(1) - X)
    return pairs.norm(dim=-1) + (order[:, None] - order).abs()


class Permuted(nn.Module):
    def forward(self, X):
        return X.permute(0, 2, 3, 1)


class Gate(nn.Module):
    def forward(self, X):
        return X * X.mean(dim=1, keepdim=True).sigmoid() + X.sum(dim=1)[:, None]


@pytest.mark.parametrize(
    "fn",
    [
        *(two_layers, layer_norm, softmax, attention, distances, Gate()),
        *(nn.LayerNorm(784), nn.BatchNorm1d(784), nn.RNN(784, 4), nn.LSTM(784, 4)),
        lambda X: X.reshape(4, 16, 784).cumsum(1) + torch.rand(16, 784),
        lambda X: (X @ W1) + torch.zeros(1, 256) + torch.zeros(1) + torch.zeros(()),
        lambda X: torch.arange(64.0)[:, None] * torch.rand(8),
        nn.Sequential(  # channels last, as in some convolutional nets
            nn.Unflatten(1, (1, 28, 28)),
            nn.Conv2d(1, 8, 4, 4),
            Permuted(),
            nn.Linear(8, 9),
        ),
    ],
)
def test_what_is_meant_gets_no_warning(fn):
    trace = trace_shapes(fn, X)
    assert trace.ok, trace
    assert trace.warnings == []


# --- what it leaves as it was


def test_a_network_is_left_as_it_was():
    net = torchvision.models.resnet18(weights=None).train()
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    grads = [parameter.grad for parameter in net.parameters()]

    def train_step(X):
        net(X).sum().backward()
        torch.optim.SGD(net.parameters(), lr=0.1).step()

    state = torch.random.get_rng_state()
    for fn in (net, train_step):
        assert trace_shapes(fn, torch.rand(2, 3, 64, 64)).ok
    after = net.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    for parameter, grad in zip(net.parameters(), grads):
        assert parameter.grad is grad and grad.eq(1).all()
    assert net.training
    # torch.rand above drew from it; nothing else did.
    torch.random.set_rng_state(state)
    torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    drawn = torch.random.get_rng_state()
    torch.random.set_rng_state(state)
    x, y = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    assert trace_shapes(nn.Dropout(0.5), x).ok and trace_shapes(net, y).ok
    assert torch.equal(torch.random.get_rng_state(), drawn)


def test_the_random_numbers_are_left_as_they_were():
    def draws(X):
        return X + torch.rand(1) + np.random.rand() + random.random()

    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    assert trace_shapes(draws, X).ok
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert random.getstate() == before[2]


def test_the_learners_tensors_are_left_as_they_were():
    mine = -torch.ones(3, 4)
    weight = torch.ones(4, 2, requires_grad=True)

    def careless(mine):
        nn.ReLU(inplace=True)(mine)
        mine[0].zero_()
        mine += 5
        (mine @ weight).sum().backward()
        with torch.no_grad():
            weight.sub_(weight.grad)

    assert trace_shapes(careless, mine).ok
    assert mine.eq(-1).all() and weight.eq(1).all() and weight.grad is None
    assert trace_shapes(lambda mine: mine.mul_(weight.sum()), mine).ok
    assert trace_shapes(lambda mine: mine.requires_grad_(), mine).ok
    assert mine.is_leaf and not mine.requires_grad


def test_two_views_of_the_same_numbers_are_left_as_they_were():
    mine, flags = torch.ones(4, 3), torch.ones(3).bool()
    assert trace_shapes(lambda half, whole: whole.zero_(), mine[:2], mine).ok
    assert mine.eq(1).all()

    def another_operator(flags):
        flags &= False

    assert trace_shapes(another_operator, flags).ok and flags.all()


def test_shapes_and_types_are_left_as_they_were():
    mine, net = torch.ones(4, 3), nn.Linear(3, 2)
    net.weight.grad = torch.ones(2, 3)

    def reshapes(mine):
        mine.t_().unsqueeze_(0).zero_()
        mine.resize_(20, 20).zero_()
        return net.double()(torch.zeros(1, 3).double())

    assert trace_shapes(reshapes, mine).ok
    assert mine.shape == (4, 3) and mine.eq(1).all()
    assert net.weight.dtype == net.weight.grad.dtype == torch.float32
    assert net.weight.grad.eq(1).all()
    square = torch.arange(4).reshape(2, 2)
    assert trace_shapes(lambda square: square.t_() @ square, square).ok
    assert square[0].tolist() == [0, 1]


def test_what_fn_reaches_by_way_of_others_is_left_as_it_was():
    W = nn.Parameter(torch.ones(784, 10))
    b = nn.Parameter(torch.ones(10))
    parameters, held = [W, b], {"b": b}

    def net(X):
        return X @ parameters[0] + held["b"]

    def step(X):
        net(X).sum().backward()
        with torch.no_grad():
            for parameter in parameters:
                parameter -= 0.1 * parameter.grad
                parameter.grad = None
        net(X).sum().backward()

    assert trace_shapes(step, X).ok
    assert W.eq(1).all() and b.eq(1).all() and W.grad is None and b.grad is None
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9)

    def with_optimizer(X):
        net(X).sum().backward()
        optimizer.step()

    assert trace_shapes(with_optimizer, X).ok
    assert W.eq(1).all() and b.eq(1).all() and W.grad is None and b.grad is None


def test_a_plain_object_is_left_as_it_was():
    class Plain:
        def __init__(self):
            self.W = torch.ones(784, 3)

        def __call__(self, X):
            self.W *= 2
            return X @ self.W

    plain = Plain()
    trace = trace_shapes(plain, X)
    assert trace.steps[-1].names == ("X", "W") and plain.W.eq(1).all()


def test_a_backward_pass_from_before_still_works():
    net = nn.Sequential(nn.Linear(784, 9), nn.BatchNorm1d(9))
    loss = net(X).sum()
    assert trace_shapes(net, X).ok
    loss.backward()
    assert net[1].num_batches_tracked == 1


def test_what_another_thread_runs_meanwhile_is_not_in_the_trace():
    class Waiting(nn.Module):
        def forward(self, X):
            begun.set()
            done.wait()
            return X

    def beside(X):
        thread = threading.Thread(target=Waiting(), args=[X])
        thread.start()
        begun.wait()
        doubled = 2 * X
        done.set()
        thread.join()
        return doubled

    begun, done = threading.Event(), threading.Event()
    assert [step.path for step in trace_shapes(beside, X).steps] == [""]


def test_no_hook_is_left_behind():
    hooks = nn.modules.module

    def count():
        return len(hooks._global_forward_hooks), len(hooks._global_forward_pre_hooks)

    before = count()
    for given in (X, X.T):  # the second one raises
        trace_shapes(nn.Linear(784, 256), given)
        assert count() == before


def test_no_tensor_is_kept_alive():
    for fn in (two_layers, lambda X: X @ X, own_error):
        given = torch.rand(64, 784)
        gone = weakref.ref(given)
        trace = trace_shapes(fn, given)
        del given
        gc.collect()
        assert gone() is None, trace


# --- the live version


def test_the_lab_shows_what_it_traced():
    lab = shapes_lab()
    controls = lab._controls
    controls["num_hiddens"].value = 64
    lab.wait(60)
    assert lab.trace.steps[0].inputs == ((64, 784), (784, 64))
    assert "W1 = torch.rand(784, 64)\n" in lab.code
    assert "hidden = torch.relu(X @ W1 + b1)" in lab._code.value
    controls["break it"].value = messages.FLATTEN
    lab.wait(60)
    assert lab.trace.cause == messages.FLATTEN
    assert "X = torch.rand(64, 28, 28)  # broken" in lab.code
    assert "A flatten is missing" in lab._drawing.value
    lab.close()


@pytest.mark.parametrize("way", shapes_live.WAYS[1:])
@pytest.mark.parametrize("batch_size", [64, 256, 1024])
@pytest.mark.parametrize("num_hiddens", [16, 128, 512])
def test_each_way_to_break_it_is_recognised(way, num_hiddens, batch_size):
    shapes, _ = shapes_live.shapes_of(batch_size, 784, num_hiddens, way)
    tensors = [torch.rand(shape) for shape in shapes.values()]
    trace = trace_shapes(shapes_live.forward, *tensors)
    assert trace.cause == way


def test_a_mistake_that_no_operation_notices_is_called_one():
    lab = shapes_lab()
    lab._controls["break it"].value = messages.BIAS
    lab._controls["batch_size"].value = 256
    lab.wait(60)
    assert lab.trace.ok and len(lab.trace.warnings) == 1
    assert shapes_live.WARNED in lab._drawing.value
    lab._controls["break it"].value = messages.SWAPPED
    lab._controls["batch_size"].value = 784
    lab.wait(60)
    assert lab.trace.ok and shapes_live.SILENT in lab._drawing.value
    lab.close()


def test_the_lab_draws_no_random_numbers():
    before = torch.random.get_rng_state()
    lab = shapes_lab()
    lab._controls["num_hiddens"].value = 64
    lab.wait(60)
    assert torch.equal(torch.random.get_rng_state(), before)
    lab.close()


def test_without_a_front_end_the_lab_is_a_text_and_a_picture():
    lab = shapes_lab()
    bundle, metadata = lab._repr_mimebundle_()
    assert "forward: (64, 784)" in bundle["text/plain"]
    assert "hidden = torch.relu(X @ W1 + b1)" in bundle["text/plain"]
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "forward pass" in metadata["image/png"]["alt"]
    lab.close()


def test_a_drawing_names_the_tensors_that_its_warning_speaks_of():
    X, w, answers = torch.rand(64, 9), torch.zeros(9, 1), torch.zeros(64)
    trace = trace_shapes(lambda X: X @ w - answers, X)
    assert "the left tensor (64, 1)" in trace.warnings[0]
    assert "left (64, 1)" in trace.html() and "left (64, 1)" in str(trace)
    assert "left" not in str(trace_shapes(lambda X: X @ w - X[:, :1], X))


@pytest.mark.parametrize("width", [128, 64, 784, 3136, 3])
def test_a_missing_flatten_is_named_whatever_width_was_guessed(width):
    body = nn.Sequential(nn.Conv2d(1, 64, 3, 4), nn.AdaptiveAvgPool2d(3), nn.ReLU())
    trace = trace_shapes(
        nn.Sequential(body, nn.Linear(width, 10)), torch.rand(5, 1, 28, 28)
    )
    said = trace.warnings[0] if width == 3 else trace.explanation
    assert "flatten(1)" in said and "nn.Linear(576, 10)" in said
    assert width == 3 or "since 64 * 3 * 3 = 576" in said


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
def test_weights_that_a_lookup_changes_are_put_back(kind):
    net = kind(20, 8, max_norm=1.0)
    before = net.weight.detach().clone()
    trace_shapes(net, torch.arange(20).reshape(4, 5))
    assert torch.equal(net.weight, before)


def test_a_compiled_module_runs():
    net = torch.compile(nn.Sequential(nn.Linear(4, 5), nn.ReLU()), backend="eager")
    net(torch.rand(3, 4))
    assert "(3, 5)" in str(trace_shapes(net, torch.rand(3, 4)))


def test_a_scripted_module_runs_and_stays_as_it_is():
    layers = nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5)
    traced = torch.jit.trace(layers[0], torch.rand(3, 4))
    assert "(3, 5)" in str(trace_shapes(traced, torch.rand(3, 4)))
    net = torch.jit.script(nn.Sequential(*layers)).train()
    before = [t.clone() for t in net.state_dict().values()]
    assert "(3, 5)" in str(trace_shapes(net, torch.rand(3, 4)))
    assert net.training and all(part.training for part in net.children())
    assert all(map(torch.equal, before, net.state_dict().values()))


def test_a_buffer_that_forward_replaces_is_the_old_one_afterwards():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(()))

        def forward(self, X):
            self.count = self.count + 1
            return X * self.count

    net = Counts()
    before = net.count
    trace_shapes(net, torch.rand(3, 4))
    assert net.count is before and net.count == 0


# Layers that learners give another shape, and the repair.
PICTURES, ROWS = nn.Conv2d(1, 4, 3), {"batch_first": True}
COLOUR, LONG = nn.Conv2d(3, 4, 3), nn.Conv1d(16, 4, 3)
LAYERS = [
    (PICTURES, (64, 784), ".reshape(-1, 1, 28, 28)"),
    (nn.Conv3d(1, 4, 3), (16, 32, 32), ".unsqueeze(0).unsqueeze(0)"),
    (PICTURES, (64, 28, 28), ".unsqueeze(1)"),
    (PICTURES, (64, 28, 28, 1), ".permute(0, 3, 1, 2)"),
    (PICTURES, (28, 28), ".reshape(1, 1, 28, 28)"),
    (PICTURES, (784,), ".reshape(1, 1, 28, 28)"),
    (PICTURES, (1, 64, 28, 28), ".transpose(0, 1)"),
    (PICTURES, (5, 3, 28, 28), ".mean(1, keepdim=True)"),
    (nn.Sequential(PICTURES, nn.Flatten(), nn.Linear(2704, 2)), (1, 28, 28), ".unsq"),
    (nn.Sequential(PICTURES, nn.BatchNorm2d(4)), (1, 28, 28), ".unsqueeze(0)"),
    (nn.Sequential(nn.Flatten(), nn.Linear(784, 2)), (28, 28), ".reshape(1, -1)"),
    (COLOUR, (3, 784), ".reshape(-1, 3, 28, 28)"),
    (COLOUR, (5, 3, 784), ".reshape(-1, 3, 28, 28)"),
    (COLOUR, (5, 3072), ".reshape(-1, 3, 32, 32)"),
    (COLOUR, (5, 32, 32, 3), ".permute(0, 3, 1, 2)"),
    (COLOUR, (32, 32, 3), ".permute(2, 0, 1).unsqueeze(0)"),
    (COLOUR, (5, 1, 28, 28), ".expand(-1, 3, -1, -1)"),
    (COLOUR, (5, 7, 3, 32, 32), ".flatten(0, 1)"),
    (LONG, (5, 100, 16), ".transpose(1, 2)"),
    (LONG, (100, 16), ".T.unsqueeze(0)"),
    (nn.Conv1d(1, 4, 3), (64, 784), ".unsqueeze(1)"),
    (nn.Conv1d(28, 4, 3), (64, 1, 28, 28), ".squeeze(1)"),
    (nn.Conv3d(3, 4, 3), (5, 16, 3, 32, 32), ".transpose(1, 2)"),
    (nn.ConvTranspose2d(100, 8, 4), (5, 100), ".reshape(-1, 100, 1, 1)"),
    (nn.ConvTranspose2d(128, 8, 4), (5, 6272), ".reshape(-1, 128, 7, 7)"),
    (nn.MaxPool2d(2), (64, 784), ".reshape(-1, 1, 28, 28)"),
    (nn.AvgPool2d(2), (784,), ".reshape(1, 1, 28, 28)"),
    (nn.AdaptiveAvgPool2d(1), (784,), ".reshape(1, 1, 28, 28)"),
    (nn.BatchNorm2d(1), (64, 784), ".reshape(-1, 1, 28, 28)"),
    (nn.BatchNorm2d(1), (64, 28, 28), ".unsqueeze(1)"),
    (nn.BatchNorm2d(3), (5, 8, 8, 3), ".permute(0, 3, 1, 2)"),
    (nn.BatchNorm1d(16), (5, 7, 16), ".transpose(1, 2)"),
    (nn.LayerNorm(16), (5, 16, 8, 8), ".movedim(1, -1)"),
    (nn.LayerNorm(16), (5, 16, 8), ".movedim(1, -1)"),
    (nn.GroupNorm(2, 8), (5, 4, 4, 8), ".permute(0, 3, 1, 2)"),
    (nn.Upsample(scale_factor=2, mode="bilinear"), (64, 28, 28), ".unsqueeze(1)"),
    (nn.Upsample((56, 56)), (64, 784), ".reshape(-1, 1, 28, 28)"),
    (nn.Upsample((56, 56)), (3, 28, 28), ".unsqueeze(0)"),
    (nn.LSTM(28, 8, **ROWS), (64, 784), ".reshape(-1, 28, 28)"),
    (nn.LSTM(28, 8), (28,), ".reshape(1, 1, -1)"),
    (nn.LSTM(28, 8), (64, 784), ".reshape(-1, 28, 28).transpose(0, 1)"),
    (nn.GRU(28, 8, **ROWS), (64, 1, 28, 28), ".squeeze(1)"),
    (nn.RNN(28, 8, **ROWS), (64, 28, 14), ".transpose(1, 2)"),
]


@pytest.mark.parametrize(("layer", "shape", "repair"), LAYERS)
def test_each_repair_for_a_layer_is_named_and_runs(layer, shape, repair):
    given = torch.rand(shape)
    said = re.search(r"[Uu]se (\.\S.*) on the", trace_shapes(layer, given).explanation)
    assert said and said[1].startswith(repair)
    assert trace_shapes(layer, eval(f"given{said[1]}")).ok


def test_what_a_layer_is_given_by_keyword_is_explained_too():
    layer = nn.MultiheadAttention(28, 4, batch_first=True)
    given = torch.rand(64, 28, 30)
    trace = trace_shapes(lambda x: layer(query=x, key=x, value=x), given)
    assert "gets the input (64, 28, 30)" in trace.explanation


def test_a_repair_uses_the_name_where_there_is_one():
    trace = trace_shapes(lambda pictures: PICTURES(pictures), X)
    assert "use pictures.reshape(-1, 1, 28, 28)" in trace.explanation


@pytest.mark.parametrize(
    ("layer", "shape", "said"),
    [
        (nn.Sequential(PICTURES, nn.Flatten(), nn.MaxPool2d(2)), 1, "before the flat"),
        (nn.Sequential(nn.Linear(28, 6), nn.Flatten(2), nn.MaxPool2d(9)), 1, "small"),
        (nn.Conv2d(1, 4, 40), 1, "too small for its kernel"),
        (nn.BatchNorm1d(1), 1, "use BatchNorm2d"),
        (nn.MaxPool1d(2), 1, "use max_pool2d"),
    ],
)
def test_what_no_reshape_mends_is_said_in_words(layer, shape, said):
    given = torch.rand(5, shape, 28, 28)
    assert said in trace_shapes(layer, given).explanation


def test_one_example_in_training_mode_is_said_to_be_too_few():
    said = trace_shapes(nn.BatchNorm1d(784), X[:1]).explanation
    assert "more than one example" in said and "net.eval()" in said


UNNAMED = [
    lambda X: X @ (W1.T * 1),
    lambda X: (X * 1).reshape(64, 28, 28) @ (W1 * 1),
    lambda X: (X @ W1 + b1) @ (W1 * 1),
    lambda X: X @ W1 + torch.rand(256, 1),
    lambda X: torch.mm(X * 1, W1.T * 1),
    lambda X: torch.addmm(b1 * 1, X * 1, W1.T * 1),
    lambda X: F.linear(X * 1, W1 * 1),
    lambda X: W1.T * 1 @ (X * 1),
    lambda X: F.cross_entropy(X[:, :10] * 1, torch.zeros(64, 1).long()),
    lambda X: F.binary_cross_entropy(X[:, :1] * 1, X[:, 0] * 1),
    lambda X: (X * 1).view(64, 28, 29),
    lambda X: F.mse_loss(X[:, :1] * 1, X[:, 0] * 1),
    lambda X: X - X.mean(1),
    nn.Sequential(nn.Linear(784, 9), nn.Linear(8, 2)),
]


@pytest.mark.parametrize("fn", UNNAMED)
def test_nothing_without_a_name_is_given_one(fn):
    trace = trace_shapes(fn, X)
    for said in (trace.explanation, *trace.warnings):
        said = said.replace("from the right", "").replace("bias shape", "")
        roles = re.findall(r"(\w+)? ?\b(left|right|mat2|other|input)\b(.)", said)
        assert all(word == "the" and after in " ,:" for word, _, after in roles), said


class Reader(nn.Module):
    def __init__(self, layer, last):
        super().__init__()
        self.layer, self.last, self.out = layer, last, nn.Linear(28, 10)

    def forward(self, x):
        rest = (x, x) * isinstance(self.layer, nn.MultiheadAttention)
        read = self.layer(x, *rest)
        read = read[0] if isinstance(read, tuple) else read
        return self.out(read[self.last])


READERS = [nn.LSTM, nn.GRU, nn.RNN, nn.MultiheadAttention, nn.TransformerEncoderLayer]
LAST_STEP, LAST_ROW = (slice(None), -1), -1


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("last", [LAST_STEP, LAST_ROW])
def test_a_remark_where_examples_and_steps_are_exchanged(kind, batch_first, last):
    sizes = (28, 28) if issubclass(kind, nn.RNNBase) else (28, 4)
    net = Reader(kind(*sizes, batch_first=batch_first), last)
    given = torch.rand(32, 14, 28)
    labels = torch.zeros(len(net(given))).long()
    right = batch_first == (last is LAST_STEP)
    for fn in (net, lambda x: F.cross_entropy(net(x), labels)):
        said = " ".join(trace_shapes(fn, given).warnings)
        assert (f"use batch_first={not batch_first}" in said) != right, said


@pytest.mark.parametrize(
    ("lstm", "shape", "said"),
    [
        (nn.LSTM(28, 8, 2), (2, 64, 8), "has 14 examples.*With batch_first=True"),
        (nn.LSTM(28, 8, **ROWS), (64, 1, 8), "has 64 examples.*sizes are swapped"),
    ],
)
def test_a_hidden_state_of_another_shape_is_explained(lstm, shape, said):
    hidden = torch.zeros(shape)
    trace = trace_shapes(lambda x: lstm(x, (hidden, hidden)), torch.rand(64, 14, 28))
    assert re.search(said, trace.explanation)


def test_scores_of_each_step_and_of_one_output():
    scores, labels = torch.rand(64, 28, 10), torch.zeros(64, 28).long()
    assert (
        "Use .transpose(1, 2)"
        in trace_shapes(F.cross_entropy, scores, labels).explanation
    )
    F.cross_entropy(scores.transpose(1, 2), labels)
    said = trace_shapes(F.cross_entropy, X[:, 0], labels[:, 0]).explanation
    assert "binary_cross_entropy_with_logits" in said
