"""What a run stores for selection rules: which images, of which parts, and no target label."""

import numpy as np
import pytest
import torch

import dabench.sweep
from dabench.openings import OpenDomains
from dabench.records import RecordStore

PROCESSOR = torch.device("cpu")


@pytest.fixture
def stored(make_plan, tmp_path):
    """Run dann on the tiny suite; return record, predictions and what was stored for rules."""

    def run(*settings, method="dann"):
        (planned,) = make_plan(list(settings), methods=[method], tasks=["A2B"])
        store = RecordStore(tmp_path / "results")
        record = dabench.sweep.run_one(planned, OpenDomains(None), store, PROCESSOR, lambda *_: None)
        assert record.status == "done", record.failure
        read = store.read(store.path(record))
        files = []
        for name in (read.predictions_file, read.validation_file):
            if name is None:
                files.append(None)
                continue
            with np.load(store.path(record).with_name(name), allow_pickle=False) as file:
                files.append(dict(file))
        return read, *files

    return run


def test_what_is_stored_by_default(stored):
    _, predictions, validation = stored()
    assert validation["steps"].tolist() == [2, 4]
    assert validation["target_logits"].shape == (2, 30, 3)
    assert validation["target_features"].shape == (2, 30, 8)
    assert validation["source_logits"].shape == (2, 36, 3)
    assert validation["target_features"].dtype == np.float16
    assert not any(name.startswith("source_val") or name == "target_labels" for name in validation)
    # In this protocol the target's training images are those of the test.
    assert np.array_equal(validation["target_logits"].argmax(axis=2), predictions["predictions"])


def test_holdouts(stored):
    record, predictions, validation = stored(
        "source_holdout=0.25", "target_test=holdout", "target_holdout=0.4", "stored_images=10"
    )
    assert predictions["labels"].shape == (12,)
    assert validation["source_val_logits"].shape == (2, 9, 3)
    assert validation["source_val_labels"].tolist().count(0) == 3  # a quarter of each class
    assert validation["target_logits"].shape == validation["source_logits"].shape == (2, 10, 3)
    assert record.dataset["target"]["images"] == 18
    assert record.dataset["target_test"]["images"] == 12
    assert record.dataset["target_test"]["whole"] == 30
    assert record.dataset["source"]["class_counts"] == {"red": 9, "green": 9, "blue": 9}
    assert record.protocol.startswith("transductive, ")
    assert "25% of the source held out" in record.protocol


def test_watched_images_do_not_change_the_run(stored):
    plain = stored("stored_images=0")
    watched = stored("stored_images=5")
    assert plain[2] is None
    assert plain[0].validation_file is None
    assert np.array_equal(plain[1]["probabilities"], watched[1]["probabilities"])
    assert watched[2]["target_rows"].shape == (5,)
    # The rows are of the target's images, whose outputs are stored there too.
    rows = watched[2]["target_rows"]
    assert np.array_equal(watched[2]["target_logits"].argmax(axis=2), plain[1]["predictions"][:, rows])


def test_the_upper_bound_stores_no_labelled_images(stored):
    _, _, validation = stored("source_holdout=0.25", method="target_only")
    assert {name.partition("_")[0] for name in validation} == {"steps", "target"}
    assert "target_labels" not in validation


def test_the_upper_bound_does_not_train_on_the_test(make_plan, tmp_path):
    (run,) = make_plan(["target_test=holdout", "target_holdout=0.5"], methods=["target_only"], tasks=["A2B"])
    images = OpenDomains(None).images(run.suite, run.task, run.config, True)
    trained, tested = images.training.source.rows, images.test.rows
    assert not set(trained) & set(tested)
    assert len(trained) + len(tested) == 30
    assert len(images.training.source_labels) == len(trained)
