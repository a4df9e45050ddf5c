"""What a login needs: addresses, the client's id, and its secret, which may change in its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from app import forms
from app.errors import SECRET_VARIABLE, ConfigError, ConfigProblem
from app.text_files import read_text

SECRET_FILE_VARIABLE: Final = f"{SECRET_VARIABLE}_FILE"
FILE_FORM: Final = "the path of a readable file that holds the secret alone"
FILE_EXAMPLE: Final = "/run/secrets/sac"


class LoginForm(BaseModel):
    """What a login needs beside the secret. Attribute names are the variables' without `SAC_`."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    tenant_url: Annotated[str, AfterValidator(forms.tenant_url)] = Field(
        description="the https address of the tenant, without a path",
        examples=["https://mytenant.eu10.sapanalytics.cloud"],
    )
    token_url: Annotated[str, AfterValidator(forms.token_url)] = Field(
        description="the Token URL of App Integration, ending in /oauth/token",
        examples=["https://mytenant.authentication.eu10.hana.ondemand.com/oauth/token"],
    )
    client_id: Annotated[str, AfterValidator(forms.client_id)] = Field(
        description="the OAuth client's id",
        examples=["sb-01234567-89ab-cdef-0123-456789abcdef!b1234|client!b567"],
    )


@dataclass(frozen=True, slots=True)
class Connection:
    """What a login needs, complete and well-formed; of a secret in a file, only where it is.

    Attributes:
        tenant_url: Scheme, host and port of the tenant's API.
        token_url: The token endpoint.
        client_id: The OAuth client's id.
        secret: Its secret, shown as stars, or the file that holds it.
    """

    tenant_url: str
    token_url: str
    client_id: str
    secret: SecretStr | Path

    def read_secret(self) -> SecretStr:
        """Return the secret as it is now: a file of it is read each time, for it may be replaced.

        Raises:
            ConfigError: The file cannot be read, or holds no secret.
        """
        return _secret_in(self.secret) if isinstance(self.secret, Path) else self.secret


def _secret_in(path: Path) -> SecretStr:
    try:
        text = forms.secret(read_text(forms.path(path)).strip())
    except ValueError as error:
        # Nothing of these words quotes the file.
        found = str(error)
    else:
        if text:
            return SecretStr(text)
        found = "an empty file"
    problem = ConfigProblem(
        variable=SECRET_FILE_VARIABLE,
        found=f"{forms.visible(path)}: {found}",
        expected=FILE_FORM,
        example=FILE_EXAMPLE,
    )
    raise ConfigError((problem,))
