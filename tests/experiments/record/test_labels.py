"""Each part of a run shows the overrides below its own keys, and the recipe all others."""

from experiments.record.labels import activation_label, data_label, model_label, recipe_label

OVERRIDES = {"act.options.over": "channel", "model.layers": 2, "data.held_out": 5000, "optim.optimizer.lr": 0.05}


def test_each_label_shows_its_own_overrides_under_short_names():
    assert activation_label("carelu", OVERRIDES) == "carelu(over=channel)"
    assert model_label("bert", OVERRIDES) == "bert(layers=2)"
    assert data_label("snli", OVERRIDES) == "snli(held_out=5000)"


def test_the_recipe_shows_all_that_no_other_part_shows():
    assert recipe_label("small", OVERRIDES) == "small(optim.optimizer.lr=0.05)"


def test_without_overrides_a_label_is_the_name():
    labels = (activation_label, model_label, data_label, recipe_label)
    assert [of("name", {}) for of in labels] == ["name"] * 4


def test_a_key_that_only_begins_like_a_part_belongs_to_the_recipe():
    assert recipe_label("small", {"model_average": 0.9}) == "small(model_average=0.9)"
