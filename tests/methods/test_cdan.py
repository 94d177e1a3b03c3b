"""CDAN against explicit outer products and loops, in float64."""

import math

import pytest
import torch

from dabench.methods.cdan import RandomisedMap, entropy_weights, outer_product

LAMBDAS = [0.0, 0.37, 1.0]


def slow_join(method, feature, probability):
    """One image: every product f_d p_k, or the two projections from their definition."""
    if method.random_map is None:
        return torch.stack([f * p for f in feature for p in probability])
    random_map = method.random_map
    width = random_map.features.shape[1]
    entries = []
    for j in range(width):
        of_features = sum(random_map.features[d, j] * feature[d] for d in range(len(feature)))
        of_classes = sum(random_map.probabilities[k, j] * probability[k] for k in range(len(probability)))
        entries.append(of_features * of_classes / math.sqrt(width))
    return torch.stack(entries)


def slow_entropy(logits):
    probability = torch.exp(logits) / torch.exp(logits).sum()
    return -sum(p * torch.log(p) for p in probability)


def slow_loss(method, features, logits, source, conditioned):
    """Equations 7 and 8, one image at a time; the normalising sums are numbers."""
    rows = len(features)
    raw = [
        1 + torch.exp(-slow_entropy(logits[i])) if conditioned else features.new_ones(()) for i in range(rows)
    ]
    domains = [range(source), range(source, rows)]
    total = torch.zeros((), dtype=features.dtype)
    for domain in domains:
        share = 0.5 if conditioned else len(domain) / rows
        norm = sum(raw[i].item() for i in domain)
        for i in domain:
            probability = (torch.exp(logits[i]) / torch.exp(logits[i]).sum()).detach()
            logit = method.discriminator(slow_join(method, features[i], probability))[0]
            says_source = 1 / (1 + torch.exp(-logit))
            loss = -torch.log(says_source if i < source else 1 - says_source)
            total = total + share * raw[i] / norm * loss
    return total


@pytest.mark.parametrize("reversal", LAMBDAS)
@pytest.mark.parametrize("randomised", ["never", "always"])
@pytest.mark.parametrize("name", ["cdan", "cdan+e"])
def test_value_and_gradients(name, randomised, reversal, make_method, make_outputs, make_batch):
    source, target, features, logits = make_outputs(4, 3)
    method = make_method(name, randomised=randomised, random_dim=9)
    batch = make_batch(4, 3, reversal=reversal)
    losses = method.losses(source, batch.source.labels, target, batch)
    assert set(losses) == {"classification", "domain"}
    losses["domain"].backward()

    conditioned = name == "cdan+e"
    expected = slow_loss(method, features, logits, 4, conditioned)
    parameters = list(method.discriminator.parameters())
    by_features, *by_weights = torch.autograd.grad(expected, [features, *parameters], retain_graph=True)
    torch.testing.assert_close(losses["domain"], expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(features.grad, -reversal * by_features, rtol=1e-10, atol=1e-14)
    for parameter, gradient in zip(parameters, by_weights, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-10, atol=1e-14)
    if conditioned:  # the weights' gradient reaches the classifier, reversed
        (by_logits,) = torch.autograd.grad(expected, [logits])
        assert by_logits.abs().max() > 1e-4
        torch.testing.assert_close(logits.grad, -reversal * by_logits, rtol=1e-9, atol=1e-14)
    else:  # the predictions are constants
        assert logits.grad is None


def test_outer_product_by_hand():
    joined = outer_product(torch.tensor([[2.0, 3.0]]), torch.tensor([[0.1, 0.2, 0.7]]))
    torch.testing.assert_close(joined, torch.tensor([[0.2, 0.4, 1.4, 0.3, 0.6, 2.1]]))


def test_entropy_weights_by_hand():
    # Entropies log 2 and 0: raw weights 1.5 and 2, over their domain's sum, times N / 2.
    certain = [100.0, -100.0]
    logits = torch.tensor([[0.0, 0.0], certain, certain], dtype=torch.float64)
    weights = entropy_weights(logits, 2, 1.0)
    expected = torch.tensor([1.5 / 3.5 * 1.5, 2 / 3.5 * 1.5, 1.5], dtype=torch.float64)
    torch.testing.assert_close(weights, expected, rtol=1e-12, atol=0)


def test_entropy_weights_of_equal_predictions_are_one(make_method, make_outputs, make_batch):
    _, _, _, logits = make_outputs(4, 4)
    same = logits[:1].detach().expand(8, -1)
    torch.testing.assert_close(entropy_weights(same, 4, 1.0), torch.ones(8, dtype=torch.float64))


@pytest.mark.parametrize(
    ("changes", "randomised", "width"),
    [
        ({"feature_dim": 1024, "classes": 4}, False, 4096),  # 4096 does not exceed 4096
        ({"feature_dim": 1025, "classes": 4}, True, 1024),
        ({"feature_dim": 256, "classes": 31}, True, 1024),  # Office-31
        ({"feature_dim": 256, "classes": 12}, False, 3072),  # VisDA-2017
        ({"feature_dim": 256, "classes": 31, "randomised": "never"}, False, 7936),
        ({"randomised": "always", "random_dim": 8}, True, 8),
        ({"outer_limit": 19}, True, 1024),
    ],
)
def test_when_the_map_is_randomised(changes, randomised, width, make_method):
    method = make_method("cdan", dtype=torch.float32, **changes)
    assert (method.random_map is not None) == randomised
    assert method.discriminator[0].in_features == width


def test_the_projection_is_drawn_once_from_the_methods_stream(make_method, make_outputs):
    _, _, features, logits = make_outputs()
    method = make_method("cdan", randomised="always", seed=5)
    first, second = method.condition(features, logits), method.condition(features, logits)
    assert torch.equal(first, second)
    torch.manual_seed(99)  # the stream of the initial weights has no say in the projection
    other = RandomisedMap(5, 4, 1024, torch.Generator().manual_seed(5)).double()
    assert torch.equal(other.features, method.random_map.features)
    restored = make_method("cdan", randomised="always", seed=6)
    assert not torch.equal(restored.condition(features, logits), first)
    restored.load_state_dict(method.state_dict())
    assert torch.equal(restored.condition(features, logits), first)
    assert not any("random_map" in name for name, _ in method.named_parameters())


def test_inner_products_are_kept_in_expectation():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 16, generator=generator)
    probabilities = torch.rand(2, 6, generator=generator).softmax(1)
    exact = outer_product(features, probabilities)
    width = 60_000
    random_map = RandomisedMap(16, 6, width, generator)
    joined = random_map(features, probabilities)
    scale = exact.norm(dim=1).outer(exact.norm(dim=1))
    # The variance of one entry's product is below 9 times the norms' product squared; five deviations.
    assert ((joined @ joined.T - exact @ exact.T).abs() < 5 * 3 / math.sqrt(width) * scale).all()
