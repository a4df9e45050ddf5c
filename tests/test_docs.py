"""The pages and the code say the same."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from app.config import VARIABLES, Settings, load_settings
from app.datasets import DatasetForm, PolicyForm, PolicyVariables, TableForm, read_datasets
from app.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
VARIABLE_ROW = re.compile(r"^\| `([A-Z_]+)` \| (.*?) \|", re.MULTILINE)
KEY_ROW = re.compile(r"^\| `(SAC_[A-Z_]+)` \| [^|]* \| `([a-z_]+)` \|", re.MULTILINE)
POLICY_ROW = re.compile(
    r"^\| `((?:STALE|EXPIRE|REFRESH)_[A-Z_]+)` \| [^|]* \| `([a-z_]+)` \|", re.MULTILINE
)
TOML_BLOCK = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLE_LINE = re.compile(r"^(?:# )?([A-Z_]+)=", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def read(path: str) -> str:
    """Read a page of the project."""
    return (ROOT / path).read_text(encoding="utf-8")


def test_every_variable_is_documented_and_in_the_example() -> None:
    """The settings, `docs/configuration.md` and `.env.example` list the same variables."""
    documented = [name for name, _ in VARIABLE_ROW.findall(read("docs/configuration.md"))]
    assert sorted(documented) == sorted(VARIABLES)
    assert sorted(EXAMPLE_LINE.findall(read(".env.example"))) == sorted(VARIABLES)


def default_of(variable: str) -> object:
    """Return what a variable is when it is not set; None if it is required."""
    field = VARIABLES[variable]
    form = DatasetForm.model_fields.get(field.removeprefix("sac_"), Settings.model_fields[field])
    return form.get_default()


def test_documented_defaults_are_the_code_s() -> None:
    """A default in the page is the default in the code."""
    for name, cell in VARIABLE_ROW.findall(read("docs/configuration.md")):
        default = default_of(name)
        if cell.startswith("`"):
            text = str(default).lower() if isinstance(default, bool) else str(default)
            text = ",".join(default) if isinstance(default, tuple) else text
            assert cell.strip("`") == text, name
        else:
            assert default in {None, (), PydanticUndefined}, name


def test_every_key_of_the_file_of_datasets_is_documented_beside_its_variable() -> None:
    """The page's keys are the form's, each once, in the row of the variable of the same name."""
    rows = KEY_ROW.findall(read("docs/configuration.md"))
    assert [key for _, key in rows] == list(DatasetForm.model_fields)
    assert [name for name, _ in rows] == [f"SAC_{key.upper()}" for _, key in rows]


def test_every_key_of_a_policy_is_documented_beside_its_variable() -> None:
    """The keys of the file that change a shared setting stand in that setting's row."""
    rows = POLICY_ROW.findall(read("docs/configuration.md"))
    assert [key for _, key in rows] == list(PolicyForm.model_fields)
    assert [name.lower() for name, _ in rows] == list(PolicyVariables.model_fields)
    assert all(name.lower().endswith(key) for name, key in rows)


def test_the_page_s_file_of_datasets_is_sound_and_complete(tmp_path: Path) -> None:
    """The example of the page loads without a problem and shows every key."""
    (example,) = TOML_BLOCK.findall(read("docs/configuration.md"))
    path = tmp_path / "datasets.toml"
    path.write_text(example, encoding="utf-8")
    file = read_datasets(path)
    for name in file.names:
        assert file.definition(name).name == name
    shown = {key for table in tomllib.loads(example)["datasets"].values() for key in table}
    assert shown == set(TableForm.model_fields)


def test_the_example_s_defaults_are_the_code_s(tmp_path: Path) -> None:
    """The example's commented defaults are valid, and its placeholders are refused as such."""
    path = tmp_path / "settings.env"
    path.write_text(read(".env.example"), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_settings(path).dataset()
    assert {problem.found for problem in error.value.problems} == {"the placeholder of the example"}


@pytest.mark.parametrize(
    "page", ["README.md", *(str(p.relative_to(ROOT)) for p in sorted(ROOT.glob("docs/**/*.md")))]
)
def test_links_lead_somewhere(page: str) -> None:
    """Every relative link of a page names a file that exists."""
    folder = (ROOT / page).parent
    broken = [link for link in LINK.findall(read(page)) if not (folder / link).exists()]
    assert not broken


@pytest.mark.parametrize("page", ["README.md", "docs/access.md"])
def test_commands_of_the_pages_exist(page: str) -> None:
    """Every `make` word and every `python -m` module that a page names exists."""
    text = read(page)
    makefile = read("Makefile")
    for word in re.findall(r"\bmake ([a-z]+)\b(?=[`\s])", text):
        assert re.search(rf"^{word}:", makefile, re.MULTILINE), word
    for module in re.findall(r"python -m (demo[.\w]*)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
