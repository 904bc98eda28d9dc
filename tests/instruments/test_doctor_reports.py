"""The doctor on what people report, and on healthy models of other people's kinds."""

import functools

import pytest
import torch
from reports import HEALTHY, REPORTS

import helpers
from helpers import load_fashion_mnist

# Twice what a learner gives, for a busy machine; two large nets take all of it.
doctor = functools.partial(helpers.doctor, seconds=20)
pytestmark = pytest.mark.slow  # each is a whole examination


@pytest.fixture(scope="module")
def data():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_fashion_mnist("sample")
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", REPORTS)
def test_the_first_thing_said_is_the_cause(name, data):
    cause, _, make = REPORTS[name]
    report = doctor(**make(data))
    assert report.findings and report.findings[0].code == cause, str(report)


@pytest.mark.filterwarnings("ignore:.torch.jit.script:FutureWarning")
@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_model_raises_no_alarm(name, data):
    report = doctor(**HEALTHY[name](data))
    assert report.findings == [], str(report)
