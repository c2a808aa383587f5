"""The BiLSTM: how it reads one text or a pair."""

import torch

from carelu import ActivationFactory
from experiments.tasks.text.bilstm import BiLSTM
from tests.experiments.tasks.text.test_text_models import PAIRS, SINGLE, bilstm, texts


def test_the_bilstm_tells_the_order_of_a_pair():
    model = bilstm("relu").eval()
    tokens, segments, mask = texts([8], 8, count_in_first=4)
    swapped = torch.cat([tokens[:, 4:], tokens[:, :4]], dim=1)
    assert not torch.allclose(model(tokens, segments, mask), model(swapped, segments, mask), atol=1e-4)


def test_the_hidden_layers_compare_a_pair_by_four_vectors_and_read_a_single_text_by_one():
    for shape, vectors in ((PAIRS, 4), (SINGLE, 1)):
        model = BiLSTM(ActivationFactory("relu"), shape, width=8, layers=1, mlp_layers=1, dropout=0.0)
        assert model.mlp[0].in_features == vectors * 2 * 8
        assert model.mlp[-1].out_features == shape.classes


def test_a_second_text_that_was_truncated_away_is_no_error():
    tokens, segments, mask = texts([5], 8)
    assert torch.isfinite(bilstm("relu").eval()(tokens, segments * 0, mask)).all()


def test_dropout_between_layers_needs_two_layers():
    layers = [BiLSTM(ActivationFactory("relu"), PAIRS, 8, count, 1, dropout=0.5).encoder.dropout for count in (1, 2)]
    assert layers == [0.0, 0.5]
