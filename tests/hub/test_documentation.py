"""The README says what the code says."""

from pathlib import Path

from hub.configuration_table import configuration_table

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def test_the_readme_lists_every_setting_with_its_default() -> None:
    assert configuration_table() in README
