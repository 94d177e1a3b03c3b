"""Images packed as JPEGs: the table, how near they come, order, damage."""

import io
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dabench.errors import UserError
from dabench.images import resize_square
from dabench.packed import PackedImages, encode_jpeg, read_table, write_packed
from dabench.positioned import PositionedFile


def smooth(count, side, seed=0):
    """Images with the spectrum of photos: coarse colours, and finer, weaker detail in all channels alike."""
    rng = np.random.default_rng(seed)
    total = np.full((count, side, side, 3), 128.0)

    def layer(size, strength):
        noise = Image.fromarray(rng.normal(scale=strength, size=(size, size)).astype(np.float32))
        return np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC))

    for image in total:
        image += np.stack([layer(max(2, side // 16), 30) for _ in range(3)], 2)
        image += sum(layer(side // divisor, 24 / 2**k) for k, divisor in enumerate((8, 4, 2, 1)))[..., None]
    return np.clip(total, 0, 255).astype(np.uint8)


def store(folder, images):
    path = folder / "images.packed"
    write_packed(path, len(images), images.shape[1], (encode_jpeg(image) for image in images))
    return path


@given(
    st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=30), st.integers(1, 500), st.booleans()
)
def test_the_table_gives_every_piece_back(tmp_path_factory, pieces, side, lengthened):
    path = tmp_path_factory.getbasetemp() / "pieces.packed"
    write_packed(path, len(pieces), side, pieces)
    file = PositionedFile(path)
    places = read_table(file, len(pieces), side)
    found = [file.read(end - begin, begin).tobytes() for begin, end in pairwise(places.tolist())]
    assert found == pieces
    for count, other in ((len(pieces) + 1, side), (len(pieces), side + 1)):
        with pytest.raises(ValueError, match="holds no"):
            read_table(file, count, other)
    size = path.stat().st_size
    os.truncate(path, size + 1 if lengthened else size - 1)
    with pytest.raises(ValueError, match=r"does not fit|shorter"):
        read_table(PositionedFile(path), len(pieces), side)


def test_a_file_cut_within_its_table_and_a_table_that_goes_back(tmp_path):
    path = store(tmp_path, smooth(5, 16))
    content = bytearray(path.read_bytes())
    path.write_bytes(content[:40])
    with pytest.raises(ValueError, match="shorter than its table"):
        PackedImages(path, 5, 16)
    content[40:48] = content[32:40]  # the third image begins where the second does
    path.write_bytes(content)
    with pytest.raises(ValueError, match="does not fit"):
        PackedImages(path, 5, 16)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="shorter"):
        PackedImages(path, 5, 16)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_take_is_what_pillow_decodes_in_the_order_of_the_rows(tmp_path, threads):
    images = smooth(9, 20)
    packed = PackedImages(store(tmp_path, images), 9, 20)
    assert (len(packed), packed.side) == (9, 20)
    rows = np.array([8, 0, 3, 3, 3, 7, 0])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = packed.take(rows)
        assert packed.take(np.array([], np.int64)).shape == (0, 20, 20, 3)
    finally:
        torch.set_num_threads(before)
    for image, row in zip(found, rows, strict=True):
        wanted = Image.open(io.BytesIO(encode_jpeg(images[row])))
        assert np.array_equal(image, np.asarray(wanted))
    assert found.flags.owndata
    assert found.flags.writeable
    assert found.flags.c_contiguous
    with pytest.raises(IndexError):
        packed.take(np.array([9]))


@pytest.mark.parametrize(("side", "nearest"), [(8, 2.0), (32, 2.0), (128, 2.0)])
def test_packed_images_are_near_the_raw_ones(tmp_path, side, nearest):
    images = smooth(6, side)
    found = PackedImages(store(tmp_path, images), 6, side).take(np.arange(6))
    assert 0 < np.abs(found.astype(int) - images).mean() < nearest


def test_colours_keep_their_full_resolution(tmp_path):
    """With halved colours (4:2:0) the edge between red and blue would bleed into its neighbours."""
    image = np.zeros((1, 16, 16, 3), np.uint8)
    image[:, :, :7, 0] = image[:, :, 7:, 2] = 200
    found = PackedImages(store(tmp_path, image), 1, 16).take(np.array([0]))
    assert np.abs(found.astype(int) - image).max() < 12


@pytest.mark.real
def test_packed_photos_are_near_the_raw_ones_and_much_smaller(tmp_path):
    folder = os.environ.get("DABENCH_REAL_DATA")
    if not folder:
        pytest.skip("DABENCH_REAL_DATA is not set")
    files = sorted((Path(folder) / "bsds500_train").glob("*.jpg"))[:20]
    images = np.stack([resize_square(np.asarray(Image.open(file).convert("RGB")), 256) for file in files])
    path = store(tmp_path, images)
    difference = np.abs(
        PackedImages(path, len(images), 256).take(np.arange(len(images))).astype(int) - images
    )
    assert difference.mean() < 2
    assert path.stat().st_size < images.nbytes / 3


def test_an_image_that_is_damaged_names_the_file_and_the_way_out(tmp_path):
    path = store(tmp_path, smooth(4, 16))
    packed = PackedImages(path, 4, 16)
    begin = int(read_table(PositionedFile(path), 4, 16)[2])
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(b"\0" * 20)
    assert packed.take(np.array([0, 1, 3])).shape == (3, 16, 16, 3)
    with pytest.raises(UserError, match=r"images\.packed: image 2 is damaged") as caught:
        packed.take(np.array([1, 2]))
    assert "data drop" in caught.value.hint
