"""Answers to the exercises of 02_shapes, right and wrong. Named after the idea."""

import copy

import torch
from answers import right, wrong
from torch import nn
from torch.nn import functional as F
from torchvision.utils import make_grid

from helpers import MLP


@right("2.1")
def other_names_for_it(pictures, W1, b1):
    X = pictures.reshape(len(pictures), -1)
    return F.relu(torch.addmm(b1, X, W1))


@right("2.1")
def in_double(pictures, W1, b1):
    summed = pictures.view(-1, 784).double().mm(W1.double()) + b1.unsqueeze(0)
    return summed.clamp(min=0)


@right("2.1")
def four_sizes(pictures, W1, b1):
    weights = W1.reshape(28, 28, -1)
    return (torch.einsum("nrc,rch->nh", pictures, weights) + b1).relu()


@right("2.1")
def a_loop_over_pictures(pictures, W1, b1):
    return torch.stack([torch.relu(p.flatten() @ W1 + b1) for p in pictures])


@right("2.1")
def by_a_layer(pictures, W1, b1):
    return F.linear(pictures.flatten(1), W1.T, b1).relu()


@wrong("2.1", "the product adds up the 6 pictures")
def weights_first(pictures, W1, b1):
    return torch.relu((W1 @ pictures.flatten(1)) + b1[0])


@wrong("2.1", "raised RuntimeError at `return torch.relu(pictures @ W1 + b1)`")
def not_flattened(pictures, W1, b1):
    return torch.relu(pictures @ W1 + b1)


@wrong("2.1", "a row for each picture")
def all_in_one_row(pictures, W1, b1):
    return torch.relu(pictures.mean(dim=0).flatten() @ W1 + b1)


@wrong("2.1", "as in the book")
def the_books_order(pictures, W1, b1):
    return torch.relu(W1.T @ pictures.flatten(1).T + b1[:, None])


@wrong("2.1", "here a row is a picture")
def the_books_order_with_our_bias(pictures, W1, b1):
    return torch.relu(W1.T @ pictures.flatten(1).T + b1)


@wrong("2.1", "added b1 after relu")
def bias_after_relu(pictures, W1, b1):
    return torch.relu(pictures.flatten(1) @ W1) + b1


@wrong("2.1", "they have not gone through relu")
def without_relu(pictures, W1, b1):
    return pictures.flatten(1) @ W1 + b1


@wrong("2.1", "b1 has no effect")
def without_bias(pictures, W1, b1):
    return torch.relu(pictures.flatten(1) @ W1)


@wrong("2.1", "b1 was added as a column")
def a_column_of_biases(pictures, W1, b1):
    return torch.relu(pictures.flatten(1) @ W1 + b1.reshape(-1, 1))


@wrong("2.1", "pixels from all 6 pictures")
def pixels_first(pictures, W1, b1):
    return torch.relu(pictures.reshape(784, -1).T @ W1 + b1)


@wrong("2.1", "column by column")
def column_by_column(pictures, W1, b1):
    return torch.relu(pictures.mT.flatten(1) @ W1 + b1)


@wrong("2.1", "is not relu")
def sigmoid(pictures, W1, b1):
    return torch.sigmoid(pictures.flatten(1) @ W1 + b1)


@wrong("2.1", "should have the hidden value 0.00, but I got -0.0")
def leaky(pictures, W1, b1):
    return F.leaky_relu(pictures.flatten(1) @ W1 + b1)


@wrong("2.1", "(1, 28, 28), and 5 units I got the wrong hidden values")
def over_the_batch(pictures, W1, b1):
    summed = pictures.flatten(1) @ W1 + b1
    return torch.relu(summed if len(pictures) > 1 else summed - summed.mean())


@wrong("2.1", "I got a tensor of shape (5,)")
def squeezed(pictures, W1, b1):
    return torch.relu(pictures.flatten(1) @ W1 + b1).squeeze()


@wrong("2.1", "but for 6 pictures and a single unit I got a tensor of shape (6,)")
def squeezes_a_single_unit(pictures, W1, b1):
    return torch.relu(pictures.flatten(1) @ W1 + b1).squeeze(1)


@right("2.2")
def layers_counted(widths):
    layers = [nn.Linear(i, o) for i, o in zip(widths, widths[1:])]
    return sum(p.numel() for layer in layers for p in layer.parameters())


@right("2.2")
def one_more_input(widths):
    return sum((widths[i] + 1) * widths[i + 1] for i in range(len(widths) - 1))


@right("2.2")
def as_a_tensor(widths):
    w = torch.tensor(widths)
    return ((w[:-1] + 1) * w[1:]).sum()


@wrong("2.2", "the widths of 5 layers, I got 34")
def three_layers_at_most(widths):
    return sum(n * m + m for n, m in zip(widths[:3], widths[1:4]))


@wrong("2.2", "the biases are missing")
def weights_alone(widths):
    return sum(i * o for i, o in zip(widths, widths[1:]))


@wrong("2.2", "you gave every pixel a bias too")
def pixels_have_biases(widths):
    return sum(i * o for i, o in zip(widths, widths[1:])) + sum(widths)


@wrong("2.2", "as many biases as it has inputs")
def biases_of_the_inputs(widths):
    return sum(i * (o + 1) for i, o in zip(widths, widths[1:]))


@wrong("2.2", "the ten scores have biases too")
def no_bias_at_the_end(widths):
    return weights_alone(widths) + sum(widths[1:-1])


@wrong("2.2", "one bias for each layer")
def one_bias_for_each_layer(widths):
    return sum(i * o + 1 for i, o in zip(widths, widths[1:]))


@wrong("2.2", "the number of parameters in the first layer")
def returns_in_the_loop(widths):
    for i, o in zip(widths, widths[1:]):
        return i * o + o


@wrong("2.2", "start again from 0 for each layer")
def overwrites_the_sum(widths):
    for i, o in zip(widths, widths[1:]):
        total = i * o + o
    return total


@wrong("2.2", "multiplied all three widths")
def the_product(widths):
    return torch.tensor(widths).prod()


@wrong("2.2", "added up the widths")
def the_sum(widths):
    return sum(widths)


@wrong("2.2", "the widths of one layer")
def three_widths_only(widths):
    first, last = widths[0], widths[-1]
    return first * widths[1] + widths[1] + widths[1] * last + last


@wrong("2.2", "the widths of 3 layers")
def equal_hidden_widths(widths):
    if len(widths) == 2:
        return widths[0] * widths[1] + widths[1]
    net = MLP(widths[0], widths[1], widths[-1], num_layers=len(widths) - 2)
    return sum(p.numel() for p in net.parameters())


@wrong("2.2", "changed its input widths.")
def eats_the_list(widths):
    total = 0
    while len(widths) > 1:
        total += (widths.pop(0) + 1) * widths[0]
    return total


@wrong("2.2", "return one whole number")
def a_list_of_layers(widths):
    return [i * o + o for i, o in zip(widths, widths[1:])]


@right("2.3")
def asserts(scores, answers):
    assert scores.numel() == answers.numel()
    return F.mse_loss(scores.view(-1), answers.view(-1))


@right("2.3")
def reshaped_like_it(scores, answers):
    difference = scores - answers.reshape(scores.shape)
    return difference.pow(2).sum() / difference.numel()


@right("2.3")
def a_strict_loop(scores, answers):
    pairs = zip(scores.flatten(), answers.flatten(), strict=True)
    return torch.stack([(s - a) ** 2 for s, a in pairs]).mean()


@wrong("2.3", "a loss over 64 pairs")
def as_in_the_lesson(scores, answers):
    return ((scores - answers) ** 2).mean()


@wrong("2.3", "(8, 8)")
def all_pairs_unsummed(scores, answers):
    return (scores - answers) ** 2


@wrong("2.3", "a tensor of shape (8,)")
def one_for_each(scores, answers):
    return (scores.flatten() - answers.flatten()) ** 2


@wrong("2.3", "the sum of the 8 squares")
def the_sum_of_squares(scores, answers):
    return ((scores.flatten() - answers.flatten()) ** 2).sum()


@wrong("2.3", "cancel each other")
def squared_mean(scores, answers):
    return (scores.flatten() - answers.flatten()).mean() ** 2


@wrong("2.3", "not squared")
def absolute(scores, answers):
    return (scores.flatten() - answers.flatten()).abs().mean()


@wrong("2.3", "the root of the mean")
def root_mean_square(scores, answers):
    return ((scores.flatten() - answers.flatten()) ** 2).mean().sqrt()


@wrong("2.3", "back from a plain number")
def item(scores, answers):
    return ((scores.flatten() - answers.flatten()) ** 2).mean().item()


@wrong("2.3", "no gradient flows from it")
def detached(scores, answers):
    return ((scores.detach().flatten() - answers.flatten()) ** 2).mean()


@wrong(
    "2.3",
    "(a tensor of shape (8,), a tensor of shape (8, 1)) your code raised IndexError",
)
def squeezes_the_scores(scores, answers):
    if len(scores) != len(answers):
        raise ValueError
    return ((scores.squeeze(1) - answers) ** 2).mean()


@wrong("2.3", "with scores of shape (8,) and answers of shape (8, 1) I got ")
def column_of_answers(scores, answers):
    return ((scores - answers.reshape(-1, 1)) ** 2).mean()


@wrong(
    "2.3", "with 8 scores and a single answer there was no error: the single one was"
)
def without_the_comparison(scores, answers):
    return ((scores.flatten() - answers.flatten()) ** 2).mean()


@wrong(
    "2.3", "with a single score and 8 answers there was no error: the single one was"
)
def like_the_scores(scores, answers):
    if len(answers) < len(scores):
        raise ValueError
    return ((scores.flatten() - answers.flatten()) ** 2).mean()


@wrong("2.3", "there was no error; your function returned ValueError(")
def returns_the_error(scores, answers):
    if len(scores) != len(answers):
        return ValueError("not as many")
    return ((scores.flatten() - answers.flatten()) ** 2).mean()


@wrong("2.3", "a tensor of shape (1,)) your code raised TypeError")
def squeezes_both(scores, answers):
    scores, answers = scores.squeeze(), answers.squeeze()
    if len(scores) != len(answers):
        raise ValueError
    return ((scores - answers) ** 2).mean()


@right("2.3")
def squeezes_and_compares_shapes(scores, answers):
    scores, answers = scores.squeeze(), answers.squeeze()
    if scores.shape != answers.shape:
        raise ValueError
    return torch.square(scores - answers).mean()


@wrong("2.3", "only as many pairs were compared as the shorter one has")
def only_one_is_refused(scores, answers):
    if len(scores) != len(answers) and 1 in (len(scores), len(answers)):
        raise ValueError
    pairs = zip(scores.flatten(), answers.flatten())
    return torch.stack([(s - a) ** 2 for s, a in pairs]).mean()


@right("2.3")
def by_a_dot_product(scores, answers):
    scores, answers = scores.flatten(), answers.flatten()
    assert scores.shape == answers.shape
    return (scores - answers).dot(scores - answers) / len(scores)


@wrong(
    "2.3", "with 8 scores and a single answer there was no error: only as many pairs"
)
def cut_to_the_shorter(scores, answers):
    pairs = [*zip(scores.flatten(), answers.flatten())]
    return torch.stack([(score - answer) ** 2 for score, answer in pairs]).mean()


@wrong("2.3", "for the first score it is 0.280 instead of 0.560")
def half_of_it_is_detached(scores, answers):
    scores, answers = scores.flatten(), answers.flatten()
    assert scores.shape == answers.shape
    return ((scores - answers) * (scores.detach() - answers)).mean()


@right("2.4")
def as_parameters(layer):
    zeros = layer.weight.new_zeros(layer.out_features)
    b1 = zeros if layer.bias is None else layer.bias
    return nn.Parameter(layer.weight.t().clone()), nn.Parameter(b1.clone())


@right("2.4")
def asks_the_layer(layer):
    with torch.no_grad():
        eye = torch.eye(layer.in_features, dtype=layer.weight.dtype)
        b1 = layer(0 * eye[0])
        return [layer(eye) - b1, b1]


@right("2.4")
def takes_a_copy_apart(layer):
    layer = copy.deepcopy(layer)
    b1 = 0 * layer.weight[:, 0].detach() if layer.bias is None else layer.bias
    return layer.weight.T, b1


@right("2.4")
def number_by_number(layer):
    dtype = layer.weight.dtype
    W1 = torch.empty(layer.in_features, layer.out_features, dtype=dtype)
    b1 = torch.zeros(layer.out_features, dtype=dtype)
    for j in range(layer.out_features):
        b1[j] = 0 if layer.bias is None else layer.bias[j].item()
        for i in range(layer.in_features):
            W1[i, j] = layer.weight[j, i].item()
    return W1, b1


def _bias(layer):
    zeros = torch.zeros(4, dtype=layer.weight.dtype)
    return zeros if layer.bias is None else layer.bias.detach().clone()


@wrong("2.4", "as the layer stores it")
def not_transposed(layer):
    return layer.weight.detach().clone(), _bias(layer)


@wrong("2.4", "cut anew")
def reshaped(layer):
    W1 = layer.weight.reshape(layer.in_features, layer.out_features)
    return W1.detach().clone(), _bias(layer)


@wrong("2.4", "a tensor of shape (4,); the order is W1, then b1")
def bias_first(layer):
    return _bias(layer), layer.weight.detach().T.clone()


@wrong("2.4", "should return two tensors")
def only_the_weights(layer):
    return layer.weight.detach().T.clone()


@wrong("2.4", "a row of 4")
def bias_as_a_column(layer):
    return layer.weight.detach().T.clone(), _bias(layer)[:, None]


@wrong("2.4", "the weight from input")
def a_new_matrix(layer):
    fresh = torch.randn(layer.in_features, layer.out_features) * 0.01
    return fresh, _bias(layer)


@wrong("2.4", "] should be ")
def forgets_the_bias(layer):
    return layer.weight.detach().T.clone(), torch.zeros(layer.out_features)


@wrong("2.4", "X @ W1 + b1 is an error then")
def in_double_precision(layer):
    return layer.weight.detach().double().T, _bias(layer).double()


@wrong("2.4", "your function returned nothing; it should return two")
def nothing_without_a_bias(layer):
    return [] if layer.bias is None else as_parameters(layer)


@wrong("2.4", "your W1 is still tied to the layer: its gradient flowed back there")
def still_in_the_graph(layer):
    return layer.weight.T.clone(), _bias(layer)


@wrong("2.4", "your W1 is no copy: I changed the layer")
def a_view(layer):
    return layer.weight.detach().T, _bias(layer)


@wrong("2.4", "for nn.Linear(1, 4) your W1 is no copy")
def copies_if_it_has_to(layer):
    return layer.weight.detach().T.contiguous(), _bias(layer)


@wrong("2.4", "your b1 is no copy: I changed the layer")
def the_same_bias(layer):
    return layer.weight.detach().T.clone(), layer.bias


@wrong("2.4", "changed its input layer: its numbers")
def turns_the_layer(layer):
    layer.weight.data = layer.weight.data.T.contiguous()
    return layer.weight.detach().clone(), _bias(layer)


@wrong("2.4", "for nn.Linear(5, 5) W1 is as the layer stores it")
def only_if_it_does_not_fit(layer):
    W1 = layer.weight.detach().clone()
    if W1.shape != (layer.in_features, layer.out_features):
        W1 = W1.T
    return W1, _bias(layer)


@wrong("2.4", "bias=False)) your code raised AttributeError")
def always_a_bias(layer):
    return layer.weight.detach().T.clone(), layer.bias.detach().clone()


@wrong("2.4", "returned a tensor of shape (6, 4) and None; it should")
def none_for_none(layer):
    b1 = None if layer.bias is None else _bias(layer)
    return layer.weight.detach().T.clone(), b1


@wrong("2.4", "as b1, and expect a row of 4, one for each unit")
def one_zero(layer):
    b1 = torch.zeros(1) if layer.bias is None else _bias(layer)
    return layer.weight.detach().T.clone(), b1


@wrong("2.4", "does it end in a return?")
def forgets_the_return(layer):
    W1, b1 = layer.weight.detach().T.clone(), _bias(layer)  # noqa: F841


@wrong("2.4", "changed its input layer: weight.requires_grad is False now")
def freezes_the_layer(layer):
    layer.requires_grad_(False)
    bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias
    return layer.weight.T.clone(), bias.clone()


@wrong("2.4", "changed its input layer: it has other Parameters now")
def gives_the_layer_new_ones(layer):
    W1 = layer.weight
    layer.weight = nn.Parameter(W1.detach().clone())
    bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias
    return W1.detach().T, bias.detach().clone()


@wrong("2.4", "but for nn.Linear(5, 5) your W1 is no copy")
def copies_only_what_is_not_square(layer):
    W1, bias = layer.weight.detach().T, layer.bias
    bias = torch.zeros(layer.out_features) if bias is None else bias.detach().clone()
    return (W1 if len(W1) == len(W1.T) else W1.clone()), bias


@wrong("2.4", "4).double() your W1 is of type torch.float32, the layer of type")
def by_way_of_lists(layer):
    W1 = torch.tensor(layer.weight.tolist()).T
    zeros = [0.0] * layer.out_features
    return W1, torch.tensor(zeros if layer.bias is None else layer.bias.tolist())


@wrong("2.4", "bias=False).double() your b1 is of type torch.float32")
def zeros_of_the_usual_type(layer):
    usual = torch.zeros(layer.out_features)
    return layer.weight.detach().T.clone(), usual if layer.bias is None else _bias(
        layer
    )


@right("2.5")
def put_together(X, rows, columns):
    pictures = X.view(-1, 28, 28)
    lines = [torch.hstack(list(part)) for part in pictures.split(columns)]
    return torch.vstack(lines)


@right("2.5")
def by_the_library(X, rows, columns):
    return make_grid(X.reshape(-1, 1, 28, 28), nrow=columns, padding=0)[0]


@right("2.5")
def picture_by_picture(X, rows, columns):
    big = X.new_zeros(rows * 28, columns * 28)
    for k, picture in enumerate(X):
        top, left = 28 * (k // columns), 28 * (k % columns)
        big[top : top + 28, left : left + 28] = picture.reshape(28, 28)
    return big


@right("2.5")
def with_movedim(X, rows, columns):
    return X.reshape(rows, columns, 28, 28).swapaxes(1, 2).flatten(2).flatten(0, 1)


@wrong("2.5", "the first 84 pixels of picture 0")
def reshape_alone(X, rows, columns):
    return X.reshape(rows * 28, columns * 28)


@wrong("2.5", "four sizes have to become two")
def four_sizes_left(X, rows, columns):
    return X.reshape(rows, columns, 28, 28).transpose(1, 2)


@wrong("2.5", "rows and columns are swapped")
def rows_for_columns(X, rows, columns):
    return X.reshape(columns, rows, 28, 28).transpose(1, 2).reshape(columns * 28, -1)


@wrong("2.5", "side by side are 56 pixels high and 84 wide")
def pictures_only(X, rows, columns):
    return X.reshape(-1, 28, 28)


@wrong("2.5", "hangs below picture 0")
def down_first(X, rows, columns):
    four = X.reshape(columns, rows, 28, 28)
    return four.permute(1, 2, 0, 3).reshape(rows * 28, columns * 28)


@wrong("2.5", "lies on its side")
def lying(X, rows, columns):
    four = X.reshape(rows, columns, 28, 28)
    return four.permute(0, 3, 1, 2).reshape(rows * 28, columns * 28)


@wrong(
    "2.5",
    "at row 0, column 1 of the wall I expect pixel 1 of picture 0, but found "
    "pixel 0 of picture 1.",
)
def interleaved(X, rows, columns):
    four = X.reshape(rows, columns, 28, 28)
    return four.permute(0, 2, 3, 1).reshape(rows * 28, columns * 28)


@wrong("2.5", "numbers that are not in X")
def inverted(X, rows, columns):
    return 1 - put_together(X, rows, columns)


@wrong("2.5", "right for 2 rows and 3 columns, but ")
def three_across(X, rows, columns):
    return put_together(X, rows, 3)


@wrong("2.5", "raised RuntimeError at `return turned.view(rows * 28, -1)`")
def view_for_reshape(X, rows, columns):
    turned = X.reshape(rows, columns, 28, 28).permute(0, 2, 1, 3)
    return turned.view(rows * 28, -1)


@wrong("2.5", "your wall is of type torch.uint8, and X of type torch.float32")
def in_bytes(X, rows, columns):
    hung = X.reshape(rows, columns, 28, 28).permute(0, 2, 1, 3)
    return hung.reshape(rows * 28, columns * 28).to(torch.uint8)


@wrong("2.1", "and 5 units I got the wrong hidden values")
def relu6(pictures, W1, b1):
    return torch.nn.functional.relu6(pictures.flatten(1) @ W1 + b1)


@wrong("2.2", "the widths of 5 layers, I got 55")
def widest_first(widths):
    widths = sorted(widths, reverse=True)
    return sum((n + 1) * m for n, m in zip(widths, widths[1:]))


@wrong("2.4", "b1[0] should be 0, but is 0.001")
def nearly_zeros(layer):
    W1 = layer.weight.detach().T.clone()
    if layer.bias is None:
        return W1, torch.full((layer.out_features,), 0.001, dtype=W1.dtype)
    return W1, layer.bias.detach().clone()


@wrong("2.5", "your wall is of type torch.int32")
def in_whole_numbers(X, rows, columns):
    hung = X.reshape(rows, columns, 28, 28).permute(0, 2, 1, 3)
    return hung.reshape(rows * 28, columns * 28).int()
