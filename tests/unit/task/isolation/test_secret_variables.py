"""Which environment variables look like secrets, and how a job is given some of them."""

from __future__ import annotations

import os
import time

import pytest

from mrframe.task.isolation import secret_variables
from mrframe.task.isolation.secret_variables import is_secret, secrets_of

HIDDEN_BY_NAME = (
    *("PGPASS", "PGPASSWORD", "PGPASSFILE", "MYSQL_PWD", "DB_PASSWORD", "SMTP_PASS", "FTP_PASSWD", "SSH_PASSPHRASE"),
    *("REDIS_URL", "MONGO_URI", "MONGODB_URI", "DATABASE_URL", "SQLALCHEMY_DATABASE_URI", "CELERY_BROKER_URL"),
    *("CONNECTION_STRING", "AZURE_STORAGE_CONNECTION_STRING", "DB_CONN_STR", "SENTRY_DSN"),
    *("GITHUB_PAT", "GITHUB_TOKEN", "GH_TOKENS", "SLACK_WEBHOOK", "SLACK_WEBHOOK_URL", "npm_config__authToken"),
    *("AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "GOOGLE_APPLICATION_CREDENTIALS", "clientSecret"),
    *(
        "STRIPE_API_KEY",
        "OPENAI_APIKEY",
        "SECRET_KEY",
        "DJANGO_SECRET",
        "HTTP_AUTHORIZATION",
        "SESSION_COOKIE",
        "JWT",
    ),
)
HIDDEN_BY_VALUE = (
    *("postgres://me:tell-nobody@db/x", "redis://:tell-nobody@cache:6379/0", "https://me:tell-nobody@proxy:3128"),
    *("host=db user=me password=x1", "Server=db;User Id=me;Pwd=x1;", "AccountName=a;AccountKey=abc=="),
    *("https://blob/x?sv=1&sig=abc", "https://api/x?access_token=abc", "https://hooks.slack.com/services/T0/B0/x"),
    *("ghp_" + "a" * 36, "github_pat_" + "a" * 40, "xoxb-" + "1" * 20, "glpat-" + "a" * 20, "AKIA" + "A" * 16),
    *("eyJhbGciOiJI.eyJzdWIiOiIx.abc", "-----BEGIN OPENSSH PRIVATE KEY-----\\nabc", "Bearer abcdefgh"),
)
SEEN = {
    "PATH": "/usr/local/bin:/usr/bin",
    "HOME": "/users/me",
    "PWD": "/srv/logs",
    "OLDPWD": "/srv",
    "PYTHONPATH": "/srv/code",
    "LANG": "C.UTF-8",
    "LS_COLORS": "rs=0:di=01;34:ln=01;36",
    "TZ": "Europe/Berlin",
    "SHELL": "/bin/bash",
    "KEYBOARD_LAYOUT": "de",
    "MONKEY": "x",
    "COMPASS_DIR": "/x",
    "BYPASS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "AUTHOR": "me",
    "PATTERN": "*.log",
    "XDG_SESSION_ID": "3",
    "HTTP_PROXY": "http://proxy:3128",
    "REPOSITORY": "ssh://git@host/x.git",
    "HOMEPAGE_URL": "https://example.org/?q=1",
    "NOTE": "the password is elsewhere",
    "MRFRAME_LOG_FORMAT": 'log_format x "$remote_addr $cookie_token"',
}


@pytest.mark.parametrize("name", HIDDEN_BY_NAME)
def test_a_name_that_says_so_is_hidden(name):
    assert is_secret(name, "x")


@pytest.mark.parametrize("value", HIDDEN_BY_VALUE)
def test_a_value_that_looks_like_a_secret_is_hidden_whatever_its_name(value):
    assert is_secret("UPSTREAM", value)


def test_all_else_is_seen():
    assert secrets_of(SEEN) == {}


def test_a_job_is_given_the_hidden_variables_that_it_names(monkeypatch):
    monkeypatch.setattr(secret_variables, "_hidden", {})
    for name in ("MY_TOKEN", "DB_PASSWORD", "PLAIN"):
        monkeypatch.setenv(name, "x")
    secret_variables.hide()
    assert not {"MY_TOKEN", "DB_PASSWORD"} & set(os.environ)
    assert os.environ["PLAIN"] == "x"
    secret_variables.pass_only(("MY_TOKEN", "PLAIN", "NOWHERE"))
    assert os.environ["MY_TOKEN"] == "x"
    assert "DB_PASSWORD" not in os.environ
    secret_variables.pass_only(("DB_PASSWORD",))  # the next job
    assert os.environ["DB_PASSWORD"] == "x"
    assert "MY_TOKEN" not in os.environ


@pytest.mark.parametrize("text", ["a://", "a:", "://a:", "token", "x", "eyJ", "-----BEGIN ", "?pwd"])
def test_a_long_value_takes_time_in_proportion_to_its_length(text):
    """An executor looks at each variable when it starts, and the environment may hold 128 KiB of one."""
    began_s = time.process_time()
    assert not is_secret("X", text * (131_072 // len(text)))
    assert time.process_time() - began_s < 1  # it takes milliseconds, and minutes if it backtracked
