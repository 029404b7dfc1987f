"""Environment variables that executors do not see, since they look like secrets.

This keeps a secret from ending up in a result or a log by mistake. It is not a barrier: the job's code has all rights
of the user.

The rule. A variable is hidden if one of these holds, unless the setting `pass_env` names it.
- A word of its name says so (PASSWORD, TOKEN, KEY…), or the name is usual for addresses with passwords
  (DATABASE_URL, CONNECTION_STRING…), or begins with AWS_. Words are separated by `_` or by their case (`authToken`).
- Its value looks like an address with a password, or like a token of a well-known service, whatever its name.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Mapping

_WORDS = "[A-Z]+(?![a-z])|[A-Z]?[a-z]+"
_TELLING_WORD = (
    r"\w*(SECRETS?|TOKENS?|PASSW(OR)?DS?|PASS(PHRASES?|CODES?|FILE)|CREDENTIALS?|CREDS|WEBHOOKS?|PWD)"
    r"|\w*(API|ACCESS|ACCOUNT|PRIVATE|SIGNING|MASTER|SSH)KEYS?"
    r"|(?!(BY|COM|ENCOM|SUR|TRES)PASS)\w*PASS|KEYS?|AUTH|AUTHORIZATION|BEARER|COOKIES?|DSN|JWT|PAT|PW|SAS"
)
_TELLING_NAME = (
    r"AWS_\w*|(\w*_)?CONN(ECTION)?_?(STR|STRING|URL|URI)"
    r"|(\w*_)?(DATABASE|DB|REDIS|MONGO(DB)?|POSTGRES(QL)?|PG|MYSQL|MARIADB|SQLALCHEMY|CLICKHOUSE|ELASTIC(SEARCH)?|"
    r"AMQP|RABBITMQ|BROKER|CELERY|KAFKA|LDAP|SMTP)_?(URL|URI)"
)
_FOLDERS = {"PWD", "OLDPWD"}  # of the shell
_TELLING_VALUE = (
    r"[a-z][a-z0-9+.-]{0,40}://[^\s/?#@]{0,400}:[^\s/?#@]+@"  # an address with a password
    r"|(?:^|[?&;\s])(?:\w{0,40}(?:token|password|passwd|pwd|secret|signature)|sig|(?:api_?|account|access)key)\s?=\s?\w"
    r"|\b(?:gh[opsru]_|github_pat_|glpat-|xox[abeoprs]-|sk-|sk_live_|npm_|pypi-|hf_|dop_v1_|SG\.)[\w.-]{16}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{30}|\beyJ[\w-]{8,}\.eyJ"
    r"|hooks\.slack\.com/\w|discord(?:app)?\.com/api/webhooks/\w|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|^(?:Bearer|Basic) "
)
_hidden: dict[str, str] = {}


@functools.cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    """Return the patterns of words, secret words, secret names and secret values."""
    value = re.compile(_TELLING_VALUE, re.IGNORECASE | re.ASCII)
    return re.compile(_WORDS), re.compile(_TELLING_WORD), re.compile(_TELLING_NAME), value


def prepare() -> None:
    """Compile the patterns, which takes 3 ms, in the process that forks executors. Runs in the command need none."""
    _patterns()


def is_secret(name: str, value: str) -> bool:
    """Return whether an environment variable looks like a secret."""
    if name in _FOLDERS:
        return False
    words, secret_word, secret_name, secret_value = _patterns()
    return (
        any(secret_word.fullmatch(word.upper()) for word in words.findall(name))
        or secret_name.fullmatch(name.upper()) is not None
        or secret_value.search(value) is not None
    )


def secrets_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that look like secrets."""
    return {name: value for name, value in environment.items() if is_secret(name, value)}


def hide() -> None:
    """Remove the variables that look like secrets from the environment of this process."""
    _hidden.update(secrets_of(os.environ))
    pass_only(())


def pass_only(names: Iterable[str]) -> None:
    """Put back the hidden variables with these names, for the job that comes now, and remove the others."""
    for name, value in _hidden.items():
        if name in names:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)
