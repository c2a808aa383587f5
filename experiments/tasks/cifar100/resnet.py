"""ResNet-18 for 32×32 images, with a separate activation module at each of its 17 sites."""

from torch import Tensor, nn

from carelu import ActivationFactory
from experiments.tasks.activation_sites import IMAGE_DIMS, activate


def _convolution(inputs: int, outputs: int, stride: int = 1, size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with a shortcut around them; the second activation follows the sum.

    An activation that measures its competition before normalisation does so on the output of the
    preceding convolution; for the second one that excludes the shortcut (our choice).
    """

    def __init__(self, inputs: int, outputs: int, stride: int, activation: ActivationFactory):
        super().__init__()
        self.conv1 = _convolution(inputs, outputs, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.act1 = activation(outputs, IMAGE_DIMS, pre_norm=True)
        self.conv2 = _convolution(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.act2 = activation(outputs, IMAGE_DIMS, pre_norm=True)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(_convolution(inputs, outputs, stride, size=1), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv1(x)
        second = self.conv2(activate(self.act1, self.bn1(first), first))
        return activate(self.act2, self.bn2(second) + self.shortcut(x), second)


class ResNet(nn.Module):
    """A CIFAR ResNet: 3×3 stem without pooling, four stages of basic blocks, global average, linear.

    Weights are initialised as torch's layers do.

    Args:
        blocks: number of basic blocks in each stage.
        activation: called once per site.
        num_classes: number of logits.
        width: channels of the first stage; each further stage doubles them.
    """

    def __init__(self, blocks: tuple[int, ...], activation: ActivationFactory, num_classes: int, width: int):
        super().__init__()
        self.conv1 = _convolution(3, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.act1 = activation(width, IMAGE_DIMS, pre_norm=True)
        stages, inputs = [], width
        for stage, count in enumerate(blocks):
            outputs = width * 2**stage
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                stages.append(BasicBlock(inputs, outputs, stride, activation))
                inputs = outputs
        self.blocks = nn.Sequential(*stages)
        self.classifier = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits N×num_classes for images N×3×H×W."""
        first = self.conv1(x)
        features = self.blocks(activate(self.act1, self.bn1(first), first))
        return self.classifier(features.mean((2, 3)))


def resnet18(activation: ActivationFactory, num_classes: int, width: int = 64) -> ResNet:
    """ResNet-18 (He et al., arXiv 1512.03385) with the CIFAR stem."""
    return ResNet((2, 2, 2, 2), activation, num_classes, width)
