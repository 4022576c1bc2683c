"""The file named by FOOTFALL_CONFIG: only the user's own or root's (reliability.md S2)."""

import os
from pathlib import Path

import pytest

from footfall.errors import RegistryError, UnsafeFileError
from footfall.registry.yaml import check_owner, load_config_file


@pytest.fixture
def config(tmp_path):
    """A configuration as a user would keep it; its name has a blank, for the command in the message."""
    path = tmp_path / "my footfall.yaml"
    path.write_text("project: o/n\n")
    path.chmod(0o600)
    return path


def test_an_own_file_is_read(config):
    """What the user owns alone decides where data go."""
    check_owner(config)
    assert load_config_file(config).project == "o/n"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused_with_the_command_that_helps(config, mode):
    """Whoever may write it could redirect the data; the message's own command must repair that."""
    config.chmod(mode)
    with pytest.raises(UnsafeFileError) as caught:
        load_config_file(config)
    assert str(caught.value).endswith(f"run: chmod go-w '{config}'")
    assert os.system(str(caught.value).partition("run: ")[2]) == 0
    assert load_config_file(config).project == "o/n"


def test_a_file_of_somebody_else_is_refused(config):
    """As root the file can be given away; as anybody else, /proc/1 shows files of root, which are accepted."""
    if os.geteuid() == 0:
        os.chown(config, 12345, -1)
        with pytest.raises(UnsafeFileError, match="belongs to user id 12345"):
            load_config_file(config)
    else:
        check_owner("/etc/passwd")


def test_a_link_counts_as_what_it_leads_to(config, tmp_path):
    """Dotfile managers link; the status of the opened file counts, so a link cannot be swapped after the check."""
    link = tmp_path / "link.yaml"
    link.symlink_to(config)
    assert load_config_file(link).project == "o/n"
    config.chmod(0o666)
    with pytest.raises(UnsafeFileError):
        load_config_file(link)


def test_a_path_that_depends_on_the_working_directory_is_refused(config, monkeypatch):
    """Else each folder a user enters could bring its own destinations."""
    monkeypatch.chdir(config.parent)
    with pytest.raises(UnsafeFileError, match="must be an absolute path"):
        load_config_file(config.name)


def test_a_tilde_is_the_home_of_the_user(config, monkeypatch):
    """Environment files are not expanded by a shell."""
    monkeypatch.setenv("HOME", str(config.parent))
    assert load_config_file(Path("~") / config.name).project == "o/n"


def test_folders_and_pipes_are_no_configuration(tmp_path):
    """And a pipe that nobody writes to does not hang the process."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    for name in ("fifo", "folder"):
        with pytest.raises(UnsafeFileError, match="not a regular file"):
            load_config_file(tmp_path / name)


def test_the_file_is_read_strictly(config):
    """The user is there to mend it, so an unknown key is an error."""
    config.write_text("project: o/n\ncolour: red")
    with pytest.raises(RegistryError, match=":2: 'colour' is no key"):
        load_config_file(config)
