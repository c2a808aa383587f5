import pytest
import torch

from carelu.kernels.layout import (
    laid_out_as,
    rows_of,
    same_layout,
    side_by_side_rows_of,
    statistics_shape,
    supported_rows,
)


@pytest.mark.parametrize(
    ("shape", "memory_format", "dims", "rows"),
    [
        ((2, 3, 4, 5), torch.contiguous_format, (1, 2, 3), (2, 60)),
        ((2, 3, 4, 5), torch.channels_last, (1, 2, 3), (2, 60)),
        ((2, 3, 4, 5), torch.contiguous_format, (2, 3), (6, 20)),
        ((2, 3, 4, 5), torch.channels_last, (2, 3), (2, 20, 3)),
        ((2, 3, 4, 5), torch.contiguous_format, (1,), (2, 3, 20)),
        ((2, 3, 4, 5), torch.channels_last, (1,), (40, 3)),
        ((2, 3, 4, 5), torch.contiguous_format, (0, 1, 2, 3), (1, 120)),
        ((2, 3, 1, 1), torch.channels_last, (1,), (2, 3)),
        ((2, 3, 1, 1), torch.channels_last, (2, 3), (6, 1)),
        ((2, 0, 4, 5), torch.contiguous_format, (1, 2, 3), None),
        ((2, 3, 4, 5), torch.contiguous_format, (0,), (1, 2, 60)),
        ((2, 3, 4, 5), torch.contiguous_format, (0, 1), (1, 6, 20)),
        ((2, 3, 4, 5), torch.contiguous_format, (0, 2), None),
        ((2, 1, 4, 5), torch.contiguous_format, (0, 2), (1, 8, 5)),
        ((2, 3, 4, 5), torch.channels_last, (3,), None),  # the other dimensions are not in order
    ],
)
def test_rows_are_found_where_competing_elements_are_evenly_spaced(shape, memory_format, dims, rows):
    z = torch.empty(shape).to(memory_format=memory_format)

    if rows and len(rows) == 2:
        assert rows_of(z, dims) == rows
        assert side_by_side_rows_of(z, dims) == (*rows, 1)
    else:
        assert rows_of(z, dims) is None
        assert side_by_side_rows_of(z, dims) == rows


def test_tensor_with_gaps_or_repetitions_has_no_rows():
    z = torch.empty(4, 6)
    for gaps in (z[:, ::2], z[:, :3], z[:1].expand(4, 6), z[:, :1].expand(4, 6)):
        assert rows_of(gaps, (1,)) is None
        assert side_by_side_rows_of(gaps, (0,)) is None


def test_what_a_kernel_cannot_read_in_rows_is_refused_with_its_strides():
    assert supported_rows(torch.empty(4, 6), (1,)) == (4, 6)
    with pytest.raises(ValueError, match=r"strides \(1, 4\) over \(1,\)"):
        supported_rows(torch.empty(6, 4).t(), (1,))


def test_a_tensor_of_another_layout_is_copied_and_one_of_the_same_is_not():
    z, tensor = torch.empty(2, 3, 4, 5).to(memory_format=torch.channels_last), torch.rand(2, 3, 4, 5)
    copied = laid_out_as(z, tensor)
    assert torch.equal(copied, tensor) and copied.stride() == z.stride()
    assert laid_out_as(copied, copied) is copied


def test_statistics_have_three_rows_and_one_element_for_each_competition():
    assert statistics_shape((2, 3, 4), (1, 2)) == (3, 2, 1, 1)
    assert statistics_shape((2, 3, 4), (0,)) == (3, 1, 3, 4)


def test_rows_are_counted_in_64_bits():
    z = torch.empty(3, 2**31, device="meta", dtype=torch.bfloat16)
    assert rows_of(z, (1,)) == (3, 2**31)


def test_layouts_differ_by_the_order_of_elements_and_not_by_dimensions_of_one():
    z = torch.empty(2, 3, 4, 5)
    assert not same_layout(z, z.to(memory_format=torch.channels_last))
    column = torch.empty(4, 1)
    assert same_layout(column, column.as_strided((4, 1), (1, 7)))
