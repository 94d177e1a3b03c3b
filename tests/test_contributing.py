"""The examples in CONTRIBUTING.md do what it says."""

import re
import subprocess
import sys
import tomllib
from itertools import product
from pathlib import Path

from PIL import Image

from dabench.discovery import ENTRY_POINTS
from dabench.plan import find_suite

ROOT = Path(__file__).resolve().parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

# Runs in a process of its own: a registered name stays registered.
CHECK = """
import sys
import torch
from dabench.method import METHODS, Batch, Outputs, SourceBatch, Spec, TargetBatch

sys.path.insert(0, sys.argv[1])
import example

generator = torch.Generator().manual_seed(0)
(name,) = METHODS
entry = METHODS.get(name)
spec = Spec(
    classes=3, feature_dim=4, backbone_dim=5, discriminator_hidden=(8,), source_size=6, target_size=7,
    batch_source=6, batch_target=7, steps=10, loss_weights={}, generator=generator,
)

def outputs(rows):
    sizes = (spec.backbone_dim, spec.feature_dim, spec.classes)
    return Outputs(*(torch.randn(rows, size, generator=generator, requires_grad=True) for size in sizes))

source, target = outputs(spec.batch_source), outputs(spec.batch_target)
labels = torch.randint(spec.classes, (spec.batch_source,), generator=generator)
batch = Batch(
    SourceBatch(torch.zeros(spec.batch_source, 3, 8, 8), labels, torch.arange(spec.batch_source)),
    TargetBatch((torch.zeros(spec.batch_target, 3, 8, 8),), torch.arange(spec.batch_target)),
    step=0, progress=0.5, reversal=0.5,
)
method = entry.cls(spec, entry.config({}))
losses = method.losses(source, labels, target, batch)
assert set(losses) == set(entry.cls.loss_names) and "classification" in losses
for name, loss in losses.items():
    assert loss.shape == () and torch.isfinite(loss), name
    gradient, = torch.autograd.grad(loss, source.logits, retain_graph=True)
    assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0, name
gradient, = torch.autograd.grad(sum(losses.values()), target.logits)
assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0, "the target has no say"
assert example.coral_loss(source.logits, source.logits) == 0
two = torch.tensor([[0.0, 0.0], [2.0, 2.0]]), torch.tensor([[0.0, 0.0], [2.0, -2.0]])
assert example.coral_loss(*two) == 2.0  # covariances differ by -4 off the diagonal: 2 * 16 / (4 * 4)
print("ok")
"""


def block(language: str) -> str:
    """The only code block in a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", CONTRIBUTING, flags=re.MULTILINE | re.DOTALL)
    return str(found)


def test_example_method_is_short_and_runs(tmp_path: Path) -> None:
    source = block("python")
    assert len(source.splitlines()) < 30
    (tmp_path / "example.py").write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHECK, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "ok"


def test_example_suite_opens_folders_of_images(tmp_path: Path) -> None:
    manifest = tmp_path / "birds.yaml"
    manifest.write_text(block("yaml"), encoding="utf-8")
    for number, (folder, name) in enumerate(product(("photos", "paintings"), ("robin", "wren"))):
        (tmp_path / folder / name).mkdir(parents=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / folder / name / "one.png")
    suite = find_suite(str(manifest))
    assert [task.name for task in suite.tasks()] == ["P->Q", "Q->P"]
    for domain in suite.manifest.domains:
        data = suite.loader(None).open(domain, "train")
        assert data.class_counts() == {"robin": 1, "wren": 1}


def test_entry_point_group_is_the_one_that_is_read() -> None:
    assert ENTRY_POINTS in tomllib.loads(block("toml"))["project"]["entry-points"]


def test_links_lead_to_files() -> None:
    for page in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"
