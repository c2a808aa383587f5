"""A sentence encoder: a bidirectional LSTM encodes each text, and an MLP compares the vectors."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from carelu import ActivationFactory
from experiments.tasks.activation_sites import TextShape, activation_over_features


class BiLSTM(nn.Module):
    """Embedding, projection, BiLSTM and MLP, in the manner of PyTorch's SNLI example.

    That example joins the two sentence vectors u and v; here they are joined with |u−v| and u·v
    (Mou et al., arXiv 1512.08422; Conneau et al., arXiv 1705.02364). A single text gives u alone.
    Source: github.com/pytorch/examples, snli; Bowman et al., arXiv 1508.05326. Weights are
    initialised as torch's layers do.

    Args:
        activation: called once for each hidden layer of the MLP.
        shape: of the data.
        width: features of the embedding, of its projection, of each direction of the LSTM, and of
            the MLP's hidden layers.
        layers: stacked LSTM layers.
        mlp_layers: hidden layers of the MLP.
        dropout: probability, after the projection, between LSTM layers and in the MLP.
    """

    def __init__(
        self, activation: ActivationFactory, shape: TextShape, width: int, layers: int, mlp_layers: int, dropout: float
    ):
        super().__init__()
        self.texts = shape.texts
        self.embedding = nn.Embedding(shape.vocabulary_size, width, padding_idx=shape.padding_id)
        self.projection = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        between = dropout if layers > 1 else 0.0
        self.encoder = nn.LSTM(width, width, layers, batch_first=True, bidirectional=True, dropout=between)
        features = 2 * width * (4 if shape.texts == 2 else 1)
        hidden = []
        for _ in range(mlp_layers):
            hidden += [
                nn.Linear(features, width),
                activation_over_features(activation, width, ndim=2),
                nn.Dropout(dropout),
            ]
            features = width
        self.mlp = nn.Sequential(*hidden, nn.Linear(features, shape.classes))

    def forward(self, tokens: Tensor, segments: Tensor, mask: Tensor) -> Tensor:
        """Logits N×classes for tokens, segments and mask N×L; padding never changes them."""
        u = self._sentence(tokens, mask & (segments == 0))
        if self.texts == 1:
            return self.mlp(u)
        v = self._sentence(tokens, mask & (segments == 1))
        return self.mlp(torch.cat([u, v, (u - v).abs(), u * v], dim=1))

    def _sentence(self, tokens: Tensor, chosen: Tensor) -> Tensor:
        """The last hidden states of both directions, N×2·width, over the `chosen` tokens, which are contiguous."""
        lengths = chosen.sum(1).clamp(min=1)  # a text that was truncated away is replaced by the first token
        starts = chosen.int().argmax(1, keepdim=True)
        longest = int(lengths.max())
        places = (starts + torch.arange(longest, device=tokens.device)).clamp(max=tokens.shape[1] - 1)
        embedded = self.dropout(self.projection(self.embedding(tokens.gather(1, places))))
        packed = pack_padded_sequence(embedded, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, (hidden, _) = self.encoder(packed)
        return torch.cat([hidden[-2], hidden[-1]], dim=1)
