"""Settings: what is refused says what to write, in one line, before anything is connected to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainenv import settings as module
from chainenv.settings import BadSettingError, KeyGrants, Settings, default_of, load, type_of

LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
CHAINS = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)


# -- namespaces ----------------------------------------------------------------------------------------------------------


def test_a_list_of_namespaces_is_taken_without_blanks_and_each_once() -> None:
    assert load(CHAINENV_NAMESPACES=" team-b,team-a,, team-b ").namespaces == ("team-b", "team-a")
    assert load().namespaces == ()


@pytest.mark.parametrize("variable", ["CHAINENV_NAMESPACES", "CHAINENV_LEASE_NAMESPACE", "CHAINENV_DEFAULT_KEY_NAMESPACES"])
@pytest.mark.parametrize("name", ["Team_A", "team_a", "-team", "team-", "team.a", "a" * 64, "team/a", "tëam", "team a", "team\na"])
def test_what_is_no_namespace_is_refused(variable: str, name: str) -> None:
    with pytest.raises(BadSettingError, match=variable) as caught:
        load(**{variable: name})
    assert "such as team-a" in str(caught.value)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("variable", ["CHAINENV_NAMESPACES", "CHAINENV_DEFAULT_KEY_NAMESPACES"])
@pytest.mark.parametrize("text", [",", " , ,", " "])
def test_a_list_that_names_nothing_does_not_mean_all(variable: str, text: str) -> None:
    with pytest.raises(BadSettingError, match="names nothing"):
        load(**{variable: text})


# -- who may use the operator's own key ------------------------------------------------------------------------------------

GRANTS = {
    "a namespace": ("team-a", [("team-a", "c1"), ("team-a", "c2")], [("team-b", "c1"), ("team", "c1"), ("team-a:c1", "c1")]),
    "one chain": ("team-a:c1", [("team-a", "c1")], [("team-a", "c2"), ("team-b", "c1"), ("team-a", "C1"), ("team-a", "")]),
    "both": ("team-a:c1, team-b", [("team-a", "c1"), ("team-b", "c9")], [("team-a", "c9")]),
    "a chain and the whole": ("team-a:c1,team-a", [("team-a", "c2")], [("team-b", "c1")]),
    "all": ("*", [("team-a", "c1"), ("kube-system", "x")], []),
    "all and one": ("team-a,*", [("team-b", "c1")], []),
}


@pytest.mark.parametrize("name", GRANTS)
def test_what_is_granted(name: str) -> None:
    text, allowed, denied = GRANTS[name]
    grants = load(CHAINENV_DEFAULT_KEY_NAMESPACES=text).default_key_namespaces
    assert [pair for pair in allowed if not grants.allows(*pair)] == []
    assert [pair for pair in denied if grants.allows(*pair)] == []


@pytest.mark.parametrize("text", ["team-a:", ":c1", "team-a:c1:c2", "*:c1", "team-a:*", "team-a:c 1", "**", "team-*", "team-a:c1/x"])
def test_what_cannot_be_granted_says_what_to_write(text: str) -> None:
    with pytest.raises(BadSettingError, match=r"CHAINENV_DEFAULT_KEY_NAMESPACES=.*such as team-a"):
        load(CHAINENV_DEFAULT_KEY_NAMESPACES=text)


@given(granted=st.lists(st.tuples(LABELS, st.none() | CHAINS), min_size=1, max_size=5), asked=st.tuples(LABELS, CHAINS))
def test_nothing_is_granted_that_is_not_listed(granted: list[tuple[str, str | None]], asked: tuple[str, str]) -> None:
    grants = KeyGrants.parse(",".join(name if chain is None else f"{name}:{chain}" for name, chain in granted))
    assert grants.allows(*asked) == ((asked[0], None) in granted or asked in granted)
    assert all(grants.allows(name, chain or "any") for name, chain in granted)


@pytest.mark.parametrize("value", [None, ""], ids=["unset", "empty"])
def test_without_a_list_it_is_ones_own_namespace_in_a_cluster_and_all_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    if value is not None:
        monkeypatch.setenv("CHAINENV_DEFAULT_KEY_NAMESPACES", value)
    assert load().default_key_namespaces.allows("team-a", "c1")
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("chainenv-system\n")
    monkeypatch.setattr(module, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    grants = load().default_key_namespaces
    assert grants.allows("chainenv-system", "c1")
    assert not grants.allows("team-a", "c1")


# -- the address -----------------------------------------------------------------------------------------------------------


def test_a_prefix_is_kept_and_blanks_are_not() -> None:
    assert load(BASETEN_BASE_URL=" https://gw.example/baseten/ ").baseten_base_url == "https://gw.example/baseten"


@pytest.mark.parametrize("url", ["https://me:pa55@api.baseten.co", "https://api.baseten.co?token=pa55", "https://api.baseten.co/#pa55"])
def test_what_may_be_a_secret_is_not_repeated(url: str) -> None:
    with pytest.raises(BadSettingError, match=r"BASETEN_BASE_URL=\(hidden\) cannot be used") as caught:
        load(BASETEN_BASE_URL=url)
    assert "pa55" not in str(caught.value)


# -- the program -----------------------------------------------------------------------------------------------------------

BAD = {
    "a base URL with the API's own path": ({"BASETEN_BASE_URL": "https://gw.example/baseten/v1/"}, "write it without, the paths"),
    "a base URL without a scheme": ({"BASETEN_BASE_URL": "api.baseten.co"}, "write it as https://api.baseten.co"),
    "a SOCKS proxy": ({"HTTPS_PROXY": "socks5://me:pa55@proxy.example:1080"}, "http://proxy.example:3128"),
    "a SOCKS proxy for all": ({"all_proxy": "socks5h://proxy.example:1080"}, "http://proxy.example:3128"),
    "a proxy that is no URL": ({"https_proxy": "http://"}, "http://proxy.example:3128"),
    "authorities that are not there": ({"SSL_CERT_FILE": "/nowhere/ca.pem"}, "No such file or directory: write the path of a file"),
    "authorities that are none": ({"SSL_CERT_FILE": __file__}, "no certificate in PEM format is in it: write the path of a file"),
    "a directory that is not there": ({"SSL_CERT_DIR": "/nowhere"}, "No such file or directory: write a directory"),
    "a directory without authorities": ({"SSL_CERT_DIR": str(Path(__file__).parent)}, "under the hash of its subject: write a directory"),
    "a namespace that is none": ({"CHAINENV_NAMESPACES": "Team_A"}, "such as team-a"),
}
OF_THE_WAY = {"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"}


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Without a cluster: whatever is wrong is found before one is looked for."""
    kept = {name: value for name, value in os.environ.items() if name.upper() not in OF_THE_WAY}
    command = [sys.executable, "-m", "chainenv", "run", *arguments]
    environment = {**kept, "KUBECONFIG": os.devnull, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_setting_ends_the_program_with_one_line(name: str) -> None:
    variables, words = BAD[name]
    done = run(**variables)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    [variable] = variables
    assert line.startswith((f"{variable}=", f"{variable} cannot be used"))
    assert words in line
    assert "pa55" not in line


FLAGS = {
    "a number": (["--poll-seconds=x"], "--poll-seconds=x cannot be used: "),
    "two words": (["--namespaces", "Team A"], "--namespaces='Team A' cannot be used: "),
    "two lines": (["--log-level", "a\nb"], "--log-level='a\\nb' cannot be used: "),
    "what may be a secret": (["--baseten-base-url=https://me:pa55@api.example"], "--baseten-base-url=(hidden) cannot be used: "),
    "a key that is none": (["--baseten-api-key-file", "FILE"], "--baseten-api-key-file=FILE cannot be used: the API key has whitespace"),
    "a key that is no text": (["--baseten-api-key-file", "BYTES"], "--baseten-api-key-file=BYTES cannot be used: it is not text"),
}


@pytest.mark.parametrize("name", FLAGS)
def test_a_mistake_in_a_flag_names_the_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "FILE").write_text("Api-Key pa55")
    (tmp_path / "BYTES").write_bytes(b"pa55\xff")
    monkeypatch.chdir(tmp_path)
    arguments, start = FLAGS[name]
    done = run(*arguments)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[0].startswith(start)
    assert len(lines) == 1
    assert "pa55" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_flag_and_a_variable_are_each_named_as_they_were_given() -> None:
    done = run("--rate-limit=0", CHAINENV_POLL_SECONDS="y", CHAINENV_RATE_LIMIT="5")
    assert sorted(line.partition(" cannot be used: ")[0] for line in done.stderr.splitlines()) == [
        "--rate-limit=0",
        "CHAINENV_POLL_SECONDS='y'",
    ]


def test_help_shows_type_range_and_default_of_every_setting() -> None:
    text = " ".join(run("--help").stdout.split())
    for field in Settings.model_fields:
        if field == "baseten_api_key":
            continue
        flag = "--" + field.replace("_", "-")
        assert f"{flag} {type_of(field)} " in text
        assert default_of(field) in text
        assert "None" not in default_of(field)
    assert "--poll-seconds SECONDS time between two polls of a settled environment" in text
    assert "[CHAINENV_POLL_SECONDS; default: 300; above 0 up to 86400]" in text
    assert "[CHAINENV_CHAINLET_METRICS; default: true]" in text
    assert "--log-format text|json " in text
    assert "TEXT" not in text
