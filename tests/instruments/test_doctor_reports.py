"""The doctor on what people report, and on healthy models of other people's kinds."""

import functools

import pytest
import torch
from reports import HEALTHY, REPORTS

import helpers
from helpers import load_fashion_mnist

# Twice what a learner gives, for a busy machine; two large nets take all of it.
doctor = functools.partial(helpers.doctor, seconds=20)
LONG = {  # they take more than a second
    "loss printed, nothing changes, a big net",
    "clipping against explosions, now nothing happens",
    "a Python list of blocks, a big net",
    "I made the net again, a big one",
    "the classic LeNet with sigmoids does not start",
    "a rate of 1e-8",
    "Adam with the lr of SGD",
    "batches of 4 and lr 1e-7",
    "RMSprop at 0.5",
    "AdamW, a momentum-free SGD's lr, deep convolutions",
    "a big net that diverges",
    "weight decay of 5, misread from a paper",
    "97 in training, 20 in evaluation",
    "batch norm's momentum as in TensorFlow",
    "only a corner of the picture, by mistake",
    "lr 100",
    "I average the picture away",
    "binary features by rounding",
    "a big net with a step",
    "max-norm by hand, in each step",
    "my loss is tiny, and stays so",
}


def long_first(names):
    """So that no process is left with one of those when the others have ended."""
    return sorted(names, key=lambda name: name not in LONG)


@pytest.fixture(scope="module")
def data():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_fashion_mnist("sample")
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in LONG))
        for name in long_first(REPORTS)
    ],
)
def test_the_first_thing_said_is_the_cause(name, data):
    cause, _, make = REPORTS[name]
    report = doctor(**make(data))
    assert report.findings and report.findings[0].code == cause, str(report)


@pytest.mark.filterwarnings("ignore:.torch.jit.script:FutureWarning")
@pytest.mark.slow  # each is a whole examination
@pytest.mark.parametrize("name", long_first(HEALTHY))
def test_a_healthy_model_raises_no_alarm(name, data):
    report = doctor(**HEALTHY[name](data))
    assert report.findings == [], str(report)
