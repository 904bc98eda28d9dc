"""The doctor on what people report, and on healthy models of other people's kinds."""

import pytest
import torch
from reports import HEALTHY, REPORTS

from helpers import doctor, load_fashion_mnist

BIG = {"a big net that diverges", "a big net with a step"}  # take all that they get
# First, so that no process is left with one of those when the others have ended.
LONG = {
    "small batches and a small lr",
    "mixup of Beta(0.2, 0.2) from numpy",
    "a hidden state that goes on from batch to batch",
    "a box of another picture",
}
pytestmark = pytest.mark.slow  # each is a whole examination


@pytest.fixture(scope="module")
def data():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_fashion_mnist("sample")
    torch.set_num_threads(threads)


def examine(name, case):
    """In twice the time that a learner gives, for a busy machine."""
    return doctor(**case, seconds=5 if name in BIG else 20)


@pytest.mark.parametrize("name", REPORTS)
def test_the_first_thing_said_is_the_cause(name, data):
    cause, _, make = REPORTS[name]
    report = examine(name, make(data))
    assert report.findings and report.findings[0].code == cause, str(report)


@pytest.mark.filterwarnings("ignore:.torch.jit.script:FutureWarning")
@pytest.mark.parametrize("name", sorted(HEALTHY, key=lambda name: name not in LONG))
def test_a_healthy_model_raises_no_alarm(name, data):
    report = examine(name, HEALTHY[name](data))
    assert report.findings == [], str(report)
