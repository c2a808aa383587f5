"""The page of activations by themselves."""

from experiments.benchmarking.activations_page import page
from tests.experiments.benchmarking.made_up_rows import CONDITIONS, activation_rows


def test_the_page_of_activations_says_what_was_measured_where_and_how():
    text = page(activation_rows(), CONDITIONS)
    assert text.startswith("# Activations by themselves: A machine\n")
    assert "Other processes took 25% of the machine's processor time" in text
    assert (
        "| CAReLU / ReLU, largest shape 128×64×32×32, float32, contiguous, kernel cpp | 1.000 | ≤ 1.05 | yes |" in text
    )
    assert "| carelu | 1.15 (1.15, 1.15) | 1.15 (1.15, 1.15) |" in text
    assert "| resnet18 128×64×32×32 | float32 | contiguous | cpp |" in text


def test_a_page_can_be_written_from_the_first_rows_alone():
    first = activation_rows()[:7]
    assert "geometric mean of the 1 shapes" in page(first, CONDITIONS)
