"""What the course says, as a notebook shows it."""

import pytest

import output_styles
from helpers.tables import plain_numbers


@pytest.mark.parametrize(
    "written, read",
    [
        ("goes from 1.2e+03 to 3e+05.", "goes from 1,200 to 300,000."),
        ("0.0012, 3e-05 and 3.1e+08", "0.0012, 3e-05 and 3.1e+08"),
    ],
)
def test_large_numbers_are_written_as_people_write_them(written, read):
    assert plain_numbers(written) == read


def test_outputs_that_are_not_trusted_have_the_same_styles():
    same = output_styles.FILE.read_text() == output_styles.styles()
    assert same, "Run tools/output_styles.py, which writes custom/outputs.css."
